"""Vectors kept between runs: asked for once, told apart by all that makes them differ, and the very same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from evals import cache
from evals.cache import CachedEmbedder, cache_folder
from evals.datasets import DatasetError
from rag.fakes import WordEmbedder
from rag.interfaces import Embedder, Vectors


class Watched(WordEmbedder):
    """Word counts that note what they are asked for. Passages are turned round, so that they differ from questions."""

    def __init__(self, name: str = "words", dimension: int = 64) -> None:
        super().__init__(dimension)
        self.name = name
        self.queries: list[list[str]] = []
        self.passages: list[list[str]] = []

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.queries.append(list(texts))
        return super().embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.passages.append(list(texts))
        return super().embed_queries(texts)[:, ::-1]


Open = Callable[..., CachedEmbedder]


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Open]:
    """Opens the cache in ``tmp_path``, each time anew, as another run would; closed after the test."""
    with ExitStack() as stack:

        def open_cache(embedder: Embedder, **more: str) -> CachedEmbedder:
            opened = CachedEmbedder(embedder, tmp_path / "cache", **more)
            stack.callback(opened.close)
            return opened

        yield open_cache


def test_it_is_an_embedder_like_the_one_inside(open_cache: Open) -> None:
    inside = Watched()
    cached = open_cache(inside)
    assert (cached.name, cached.dimension) == ("words", 64)
    texts = ["하늘 바다", "", "하늘", "하늘 바다"]
    for _ in range(2):  # the second time from the file
        for found, made in (
            (cached.embed_queries(texts), WordEmbedder(64).embed_queries(texts)),
            (cached.embed_passages(texts), WordEmbedder(64).embed_queries(texts)[:, ::-1]),
        ):
            assert found.dtype == np.float32 and found.shape == (4, 64) and found.flags.writeable
            assert np.array_equal(found, made)


def test_a_text_is_asked_for_once(open_cache: Open) -> None:
    inside = Watched()
    cached = open_cache(inside)
    cached.embed_passages(["가", "나", "가"])
    cached.embed_passages(["나", "다", "가"])
    assert inside.passages == [["가", "나"], ["다"]]
    cached.embed_passages(["다"])
    cached.embed_passages([])
    assert inside.passages == [["가", "나"], ["다"]]
    assert cached.embed_queries([]).shape == (0, 64)
    assert inside.queries == []


def test_questions_and_passages_are_told_apart(open_cache: Open) -> None:
    inside = Watched()
    cached = open_cache(inside)
    assert not np.array_equal(cached.embed_queries(["가"]), cached.embed_passages(["가"]))
    assert (inside.queries, inside.passages) == ([["가"]], [["가"]])


def test_another_run_finds_them_and_another_model_does_not(open_cache: Open) -> None:
    first = open_cache(Watched()).embed_queries(["가 나"])
    again = Watched()
    assert np.array_equal(open_cache(again).embed_queries(["가 나"]), first)
    assert again.queries == []
    for other, variant in ((Watched("others"), ""), (Watched(dimension=32), ""), (Watched(), "other prompts")):
        assert open_cache(other, variant=variant).embed_queries(["가 나"]).shape == (1, other.dimension)
        assert other.queries == [["가 나"]]
    last = Watched()
    open_cache(last, variant="other prompts").embed_queries(["가 나"])
    assert last.queries == []


def test_an_interrupted_run_keeps_what_it_had(open_cache: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "AT_ONCE", 2)

    class Tired(Watched):
        def embed_passages(self, texts: Sequence[str]) -> Vectors:
            if "라" in texts:
                raise KeyboardInterrupt
            return super().embed_passages(texts)

    with pytest.raises(KeyboardInterrupt):
        open_cache(Tired()).embed_passages(["가", "나", "다", "라"])
    rested = Watched()
    assert len(open_cache(rested).embed_passages(["가", "나", "다", "라", "마"])) == 5
    assert rested.passages == [["다", "라"], ["마"]]


def test_two_runs_at_once_share_them(open_cache: Open) -> None:
    one, two = Watched(), Watched()
    first, second = open_cache(one), open_cache(two)
    first.embed_queries(["가"])
    second.embed_queries(["나"])
    first.embed_queries(["나", "가"])
    second.embed_queries(["나", "가"])
    assert (one.queries, two.queries) == ([["가"]], [["나"]])


def test_questions_are_embedded_anew_where_the_clock_runs(open_cache: Open) -> None:
    inside = Watched()
    cached = open_cache(inside)
    cached.embed_queries(["가"])
    with pytest.raises(ZeroDivisionError), cached.off_for_queries():
        assert np.array_equal(cached.embed_queries(["가"]), WordEmbedder(64).embed_queries(["가"]))
        cached.embed_passages(["가"])
        cached.embed_passages(["가"])
        _ = 1 / 0
    cached.embed_queries(["가"])
    assert (inside.queries, inside.passages) == ([["가"], ["가"]], [["가"]])


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == Path(cache.__file__).parents[1] / ".cache" / "evals"
    monkeypatch.setenv("GEUNGEO_EVAL_CACHE", "")
    assert cache_folder().parts[-2:] == (".cache", "evals")
    monkeypatch.setenv("GEUNGEO_EVAL_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b"
    cached = CachedEmbedder(WordEmbedder())
    cached.embed_queries(["가"])
    cached.close()
    assert (tmp_path / "a" / "b" / "vectors.db").stat().st_size > 0


def test_it_may_be_deleted_at_any_time(tmp_path: Path, open_cache: Open) -> None:
    open_cache(Watched()).embed_queries(["가"])
    (tmp_path / "cache" / "vectors.db").unlink()
    again = Watched()
    open_cache(again).embed_queries(["가"])
    assert again.queries == [["가"]]


def test_a_damaged_file_is_said_in_one_line(tmp_path: Path, open_cache: Open) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "vectors.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatasetError) as caught:
        open_cache(Watched())
    message = str(caught.value)
    assert "캐시를 쓸 수 없습니다. 지워도 됩니다 / the cache cannot be used; it may be deleted (file is not" in message
    assert len(message.splitlines()) == 1


def test_a_file_damaged_meanwhile_is_said_too(tmp_path: Path, open_cache: Open) -> None:
    cached = open_cache(Watched())
    cached.embed_queries([str(number) for number in range(200)])
    path = tmp_path / "cache" / "vectors.db"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(DatasetError, match="the cache cannot be used"):
        open_cache(Watched()).embed_queries([str(number) for number in range(200)])


def test_a_folder_that_cannot_be_made(tmp_path: Path, open_cache: Open) -> None:
    (tmp_path / "cache").write_text("a file", "utf-8")
    with pytest.raises(FileExistsError):
        open_cache(Watched())

"""Bytes and paths to documents: encodings, formats, what is refused, what is passed over."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import random
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import (
    BadRecordError,
    BinaryFileError,
    DocumentError,
    EmptyDocumentError,
    FileTooLargeError,
    NoDocumentsError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from rag.loaders import (
    LOADERS,
    LoadedDocument,
    Loader,
    decode,
    find_files,
    load,
    load_jsonl,
    load_markdown,
    load_text,
    normalise,
)
from rag.types import Document, Mark

KOREAN = "봄비가 내렸다.\n강 물이 3cm 불었다.\n"


def one(loaded: list[LoadedDocument]) -> Document:
    assert len(loaded) == 1
    return loaded[0].document


def text_of(data: bytes) -> str:
    return one(load_text(data, "a.txt", "c")).text


def records(*lines: object) -> list[Document]:
    data = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return [loaded.document for loaded in load_jsonl(data.encode(), "r.jsonl", "c")]


# --- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949", "euc-kr"])
def test_korean_in_every_encoding(encoding: str) -> None:
    assert text_of(KOREAN.encode(encoding)) == KOREAN


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf16_with_a_byte_order_mark(mark: bytes, encoding: str) -> None:
    # Without the mark this text has no zero byte to be known by.
    assert text_of(mark + "한국".encode(encoding)) == "한국"


def test_cp949_holds_syllables_that_euc_kr_does_not() -> None:
    # 똠 is 8C 63; no letter of EUC-KR begins below A1.
    assert text_of(b"\x8c\x63\xb9\xe6\xb0\xa2\xc7\xcf") == "똠방각하"


def test_line_ends_become_newlines() -> None:
    assert text_of("가\r\n나\r다\n라".encode()) == "가\n나\n다\n라"


def test_decomposed_syllables_are_composed_and_spans_count_them_so() -> None:
    decomposed = "\u1112\u1161\u11ab 글"  # ㅎ ㅏ ㄴ: how macOS names files
    document = one(load_markdown(f"# {decomposed}\n## 둘\n".encode(), "a.md", "c"))
    assert document.text == "# 한 글\n## 둘\n"
    assert document.marks == (Mark(0, "한 글"), Mark(6, "둘"))
    assert document.text[6:10] == "## 둘"


def test_nothing_but_the_composition_is_changed() -> None:
    assert text_of("㈜ ① Ａ ½ ㄱㅏ\u00a0ﬁ".encode()) == "㈜ ① Ａ ½ ㄱㅏ\u00a0ﬁ"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_utf8_round_trip(text: str) -> None:
    assert decode(text.encode(), "a.txt") == text.removeprefix("\ufeff")
    assert decode(codecs.BOM_UTF8 + text.encode(), "a.txt") == text


@given(st.text(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")) | st.sampled_from("\n 09azㄱ①、漢")))
def test_cp949_round_trip(text: str) -> None:
    text = "문서 " + text  # 문 is B9 AE, with which nothing in UTF-8 begins
    assert decode(text.encode("cp949"), "a.txt") == text


@given(st.text(st.characters(exclude_categories=["Cc", "Cn", "Co", "Cs"])))
def test_utf16_round_trip(text: str) -> None:
    assert decode(text.encode("utf-16"), "a.txt") == text  # Python puts the mark in front


@given(st.text() | st.text("\ufeff\r\nab\u1112\u1161\u11ab"))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "\r" not in once and not once.startswith("\ufeff")
    assert unicodedata.is_normalized("NFC", once)


# --- what is no text


def random_bytes(seed: int) -> bytes:
    return random.Random(seed).randbytes(2_000)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0\x90wS\xde", id="png"),
        pytest.param(b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0", id="elf"),
        pytest.param(gzip.compress(KOREAN.encode() * 50, mtime=0), id="gzip"),
        *(pytest.param(random_bytes(seed), id=f"random-{seed}") for seed in range(8)),
        pytest.param(codecs.BOM_UTF8 + "한글".encode("cp949"), id="a-mark-that-lies"),
        pytest.param("한글 글자".encode("utf-16")[:-1], id="utf-16-cut-in-half"),
        pytest.param("한글".encode("utf-32"), id="utf-32"),
        pytest.param("한글\x1b[0m".encode(), id="escape-codes"),
    ],
)
def test_binary_files_are_refused_whatever_their_name(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "memo.txt"
    path.write_bytes(data)
    with pytest.raises(BinaryFileError, match=r"memo\.txt is not text"):
        load(path, name="memo.txt", collection="c", max_mb=1)


@pytest.mark.parametrize("text", ["새 그림 글자 \U0001fae8 하나", "글머리표 \ue000 하나", "옛 파일의 끝\x1a"])
def test_a_rare_character_in_a_short_note_is_text(text: str) -> None:
    assert text_of(text.encode()) == text


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
@pytest.mark.parametrize("suffix", LOADERS)
def test_nothing_to_read_is_empty(data: bytes, suffix: str) -> None:
    with pytest.raises(EmptyDocumentError):
        LOADERS[suffix](data, "a", "c")


@pytest.mark.parametrize("loader", [load_text, load_markdown])
def test_marks_without_a_letter_are_empty(loader: Loader) -> None:
    with pytest.raises(EmptyDocumentError):
        loader("…!—😀".encode(), "a", "c")


# --- text and Markdown


def test_document_fields() -> None:
    document = one(load_text(b"abc", "sub/a.txt", "uploads"))
    # The SHA-256 of "abc" is the example of FIPS 180.
    assert document.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert document.id == "ba7816bf8f01cfea"
    assert (document.collection, document.name, document.date) == ("uploads", "sub/a.txt", None)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("봄철 산불 조심 기간\n\n어제 비가 왔다.", "봄철 산불 조심 기간"),
        ("사회\n봄철 산불 조심 기간\n어제 비가 왔다.", "봄철 산불 조심 기간"),  # a section label above a headline
        ("\n\n  짧다요 \n어제 비가 왔다.", "짧다요"),  # short, but all there is
        ("어제 비가 왔다.\n봄철 산불 조심 기간", "memo"),  # it begins with a sentence
        ("어제 비가 왔다\n봄철 산불 조심 기간", "memo"),  # -다 ends one without a full stop as well
        ("가" * 81, "memo"),
        ("가\n나\n다\n라\n마\n봄철 산불 조심 기간", "가"),  # only the first five lines count
        ("홈 > 경제 > 산업\n입력 2025.04.30 10:11\n공유하기\n나루터에 새 다리\n\n글.", "나루터에 새 다리"),
        ("한바다 기자 bada@example.com\n나루터에 새 다리\n글.", "나루터에 새 다리"),
        ("공유하기\n더보기", "memo"),
        ("보낸 사람: 한바다\n받는 사람: 모두\n제목: 다음 주 배편\n\n안녕하세요.", "다음 주 배편"),
        ("From: bada@example.com\nSubject: Re: boats\n\nHello.", "Re: boats"),
        ("띄어쓰기가   \t 많은 제목", "띄어쓰기가 많은 제목"),
    ],
)
def test_title_of_a_text(text: str, title: str) -> None:
    assert one(load_text(text.encode(), "dir/memo.txt", "c")).title == title


def test_markdown_headings_are_marks_and_the_first_the_title() -> None:
    text = "머리말\n\n# C#\n글\n### 셋  ###  \n#꼬리표는 아니다\n    # 코드도 아니다\n#\t탭"
    document = one(load_markdown(text.encode(), "a.md", "c"))
    assert document.text == text
    assert document.title == "C#"
    assert document.marks == (Mark(5, "C#"), Mark(12, "셋"), Mark(text.index("#\t"), "탭"))
    assert text[12:].startswith("### 셋")


def test_markdown_without_headings_is_titled_as_text_is() -> None:
    document = one(load_markdown("주간 업무 보고서\n\n다음과 같다.".encode(), "a.md", "c"))
    assert (document.title, document.marks) == ("주간 업무 보고서", ())


def test_a_title_is_at_most_200_characters() -> None:
    assert one(load_markdown(b"# " + b"a" * 300, "a.md", "c")).title == "a" * 200


# --- JSONL


def test_records_with_their_own_ids() -> None:
    first, second = records(
        {"id": "news-1", "title": "제목", "text": "본문 하나", "date": "2024-05-01"}, "", {"id": 7, "text": "본문 둘"}
    )
    assert (first.id, first.title, first.text, first.date) == ("news-1", "제목", "본문 하나", "2024-05-01")
    assert (first.name, first.collection) == ("r.jsonl#news-1", "c")
    assert (second.id, second.title, second.date) == ("7", "본문 둘", None)


def test_records_end_with_any_line_end() -> None:
    data = '{"id": 1, "text": "가"}\r\n\r\n{"id": 2, "text": "나"}\r{"id": 3, "text": "다\\n라"}\n'
    loaded = load_jsonl(data.encode(), "r.jsonl", "c")
    assert [(one.document.id, one.document.text) for one in loaded] == [("1", "가"), ("2", "나"), ("3", "다\n라")]
    assert loaded[0].original == '{"id": 1, "text": "가"}'.encode()


def test_a_record_is_normalised_as_a_file_is() -> None:
    (document,) = records({"id": "a", "title": "\u1112\u1161\u11ab", "text": "\u1112\u1161\u11ab\r\n글"})
    assert (document.title, document.text) == ("한", "한\n글")


GOOD = {"id": "a", "text": "글"}


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ({"id": "b"}, '"text" is missing'),
        ({"id": "b", "text": 3}, '"text" is missing or not a text'),
        ({"text": "글"}, '"id" is missing'),
        ({"id": True, "text": "글"}, '"id" is missing or not a text'),
        ({"id": " ", "text": "글"}, '"id" is empty'),
        ({"id": "b", "text": "글", "title": ["제목"]}, '"title"'),
        ({"id": "b", "text": "글", "date": 2024}, '"date"'),
        ({"id": "b", "text": "  \n"}, "the text is empty"),
        ({"id": "a", "text": "다른 글"}, "the id a stands twice"),
        ({"id": "b", "text": "반쪽 \ud83d"}, "half a character"),
        ({"id": "b", "text": "글\0"}, "a zero"),
    ],
)
def test_one_bad_line_refuses_the_file_and_is_named(bad: object, detail: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        records(GOOD, "", bad, {"id": "z", "text": "글"})
    assert caught.value.fields["line"] == "3"  # the blank line counts
    assert detail in caught.value.message("en")


# --- files and folders


def test_load_reads_a_file_by_its_suffix_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "A.MD"
    path.write_text("# 제목\n글", "utf-8")
    document = one(load(path, name="x/A.MD", collection="c", max_mb=1))
    assert (document.title, document.name) == ("제목", "x/A.MD")


def failing_paths(folder: Path) -> dict[str, tuple[Path, type[DocumentError]]]:
    """One path that cannot be loaded for each cause, by name."""
    made: dict[str, tuple[bytes | None, type[DocumentError]]] = {
        "글.pdf": (b"%PDF", UnsupportedFormatError),
        "이름만": (b"abc", UnsupportedFormatError),
        "큰.txt": (b"a" * 1_000_001, FileTooLargeError),
        "빈.txt": (b"", EmptyDocumentError),
        "그림.txt": (b"\x89PNG\r\n\x1a\n\0\0", BinaryFileError),
        "줄.jsonl": (b"{}", BadRecordError),
        "없다.txt": (None, UnreadableFileError),
    }
    for name, (data, _) in made.items():
        if data is not None:
            (folder / name).write_bytes(data)
    return {name: (folder / name, error) for name, (_, error) in made.items()}


def test_every_failure_says_why_in_one_line_with_the_path(tmp_path: Path) -> None:
    for name, (path, expected) in failing_paths(tmp_path).items():
        with pytest.raises(expected) as caught:
            load(path, name="other", collection="c", max_mb=1)
        assert type(caught.value) is expected
        for message in (caught.value.message("ko"), caught.value.message("en")):
            assert name in message and len(message.splitlines()) == 1


def test_size_limit_is_in_megabytes_and_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 1_000_000)
    assert len(one(load(path, name="a", collection="c", max_mb=1)).text) == 1_000_000
    path.write_bytes(b"a" * 2_500_001)
    with pytest.raises(FileTooLargeError, match="is 3 MB; the limit is 2 MB"):
        load(path, name="a", collection="c", max_mb=2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    # Without a writer, reading would never return: should that ever happen, one comes and goes after five seconds.
    rescue = threading.Timer(5, lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)))
    rescue.start()
    with pytest.raises(UnreadableFileError, match="not a file"):
        load(pipe, name="pipe.txt", collection="c", max_mb=1)
    rescue.cancel()
    with pytest.raises(NoDocumentsError):
        list(find_files(tmp_path))


def test_a_folder_named_like_a_file_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "dir.txt").mkdir()
    with pytest.raises(UnreadableFileError, match="not a file"):
        load(tmp_path / "dir.txt", name="dir.txt", collection="c", max_mb=1)


def test_find_files_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ["나.md", "가.txt", "b/c/깊다.JSONL", "b/그림.png", ".숨김.txt", ".git/설명.txt", "b/.숨김/a.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("글", "utf-8")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]
    assert found == ["b/c/깊다.JSONL", "가.txt", "나.md"]


def test_a_hidden_folder_itself_may_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".notes").mkdir()
    (tmp_path / ".notes/a.txt").write_text("글", "utf-8")
    assert list(find_files(tmp_path / ".notes")) == [tmp_path / ".notes/a.txt"]


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "비밀.txt").write_text("밖의 글", "utf-8")
    (inside / "안.txt").write_text("안의 글", "utf-8")
    (inside / "고리.txt").symlink_to(outside / "비밀.txt")
    (inside / "폴더고리").symlink_to(outside)
    assert list(find_files(inside)) == [inside / "안.txt"]


def test_a_single_file_is_found_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    assert list(find_files(tmp_path / "a.pdf")) == [tmp_path / "a.pdf"]


@pytest.mark.parametrize(("name", "error"), [("빈폴더", NoDocumentsError), ("없는폴더", UnreadableFileError)])
def test_folders_without_documents(name: str, error: type[DocumentError], tmp_path: Path) -> None:
    (tmp_path / "빈폴더").mkdir()
    with pytest.raises(error) as caught:
        list(find_files(tmp_path / name))
    assert caught.value.fields["path"] == str(tmp_path / name)
    for message in (caught.value.message("ko"), caught.value.message("en")):
        assert name in message and len(message.splitlines()) == 1

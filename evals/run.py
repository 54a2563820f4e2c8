"""Ask a set of questions and measure the answers.

    python -m evals.run --gold FILE | --squad FILE | --beir DIR
        [--corpus FILE ...] [--distractors N] [--limit N] [--seed S] [--arms dense,bm25,hybrid,full,reading,removed]
        [--index DIR] [--json OUT] [--html OUT] [--no-texts]

``--gold`` takes the project's format (evals/README.md), ``--squad`` SQuAD 1.1 or 2.0, ``--beir`` a BEIR folder. Documents come
from the set itself, from ``--corpus`` (JSON lines, or files as the library reads them), or from files beside the questions. The
same run gives the same result but for what the clock says.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from evals import again, datasets, readers
from evals.again import AGAIN
from evals.asking import ARMS, add_gain, ask, judged, rankings, ranks, row_of, shown_order, without_texts
from evals.cache import CachedEmbedder
from evals.corpus import check, collect, fill, resolve
from evals.datasets import Dataset, DatasetError, Question
from evals.result import Result, assemble, summary
from rag import Assistant, GeungeoError, Passage, Progress, Settings
from rag.morphology import Morphology
from rag.retrieval import HybridRetriever
from rag.store import Store

if TYPE_CHECKING:
    from evals.gate import SetSpec

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "seeds"
CHOICES = (*ARMS, *AGAIN)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for."""

    arms: tuple[str, ...] = CHOICES
    limit: int | None = None
    seed: int = 1
    distractors: int | None = None
    index: Path | None = None
    texts: bool = True
    own_questions: bool = True  # the questions are the user's, not the data's
    credit: str | None = None


class Models:
    """The embedding model and the analyser, loaded once for several runs."""

    def __init__(self, settings: Settings | None = None, cache: Path | None = None) -> None:
        from rag.embedding import open_embedder  # half a second, which a mistake in a file need not wait for
        from rag.reader import open_reader

        self.settings = settings or Settings.from_environment()
        self.morphology = Morphology()
        self.morphology.load()
        embedder = open_embedder(self.settings)
        self.reader = open_reader(self.settings, getattr(embedder, "tokenizer", None))
        # One model run by another engine, as on a GPU, gives slightly other vectors.
        variant = repr((type(embedder).__name__, self.settings.query_prompt, self.settings.passage_prompt))
        self.embedder = CachedEmbedder(embedder, cache, variant=variant)


def evaluate(dataset: Dataset, models: Models, options: Options) -> Result:
    """Ask all questions and work out every figure; the keys are explained in docs/evals.md.

    Raises:
        DatasetError: the questions do not fit the documents.
        GeungeoError: the library or the model cannot be used.

    """
    _forget_peak_memory()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        index = options.index or folder / "index"
        ranking = [arm for arm in options.arms if arm in ARMS]
        retrieval = [arm for arm in ranking if arm != "full"]
        # Only answers need the vectors of sentences; a library that stays is a whole one.
        answering = set(options.arms) > set(retrieval) or options.index is not None
        settings = replace(models.settings, sentence_vectors=answering)
        assistant = stack.enter_context(
            Assistant.open(
                index, settings=settings, embedder=models.embedder, morphology=models.morphology, reader=models.reader
            )
        )
        check(assistant, dataset.questions)
        with _Bar("색인 / indexing") as bar:
            fill(assistant, dataset, folder, bar.show)
        questions = resolve(assistant, dataset.questions)
        store = stack.enter_context(closing(Store.open(index, create=False)))
        retriever = HybridRetriever(store, models.embedder, models.morphology)
        rows = {question.id: row_of(question, models.morphology) for question in questions}
        ranked: dict[str, dict[str, list[Passage]]] = {arm: {} for arm in ranking}
        if retrieval:
            models.embedder.embed_queries([question.question for question in questions])  # together: quicker
            for question in _progress([q for q in questions if q.documents and q.answerable], "검색 / searching"):
                by_arm = rankings(retriever, question, models.morphology)
                for arm in retrieval:
                    ranked[arm][question.id] = by_arm[arm]
        if "full" in options.arms:
            _ask_all(assistant, questions, models, rows, ranked["full"])
        _ask_again(assistant, retriever, questions, models, rows, options.arms)
        about = _about(models, settings, options) | {
            "documents": len(assistant.documents()),
            "passages": len(store.keys()),
        }
    by_id = {question.id: question for question in questions}
    for arm, of in ranked.items():
        for id, order in of.items():
            rows[id]["ranks"][arm] = ranks(by_id[id], order)
        add_gain(rows.values(), arm, by_id, of)
    result = assemble(dataset.name, about, list(rows.values()), ranking, _peak_memory_mb())
    if not options.texts:
        result["rows"] = [without_texts(row, own_questions=options.own_questions) for row in result["rows"]]
    return result


def _ask_all(
    assistant: Assistant, questions: Sequence[Question], models: Models, rows: dict[str, Any], ranked: dict[str, Any]
) -> None:
    """Ask the whole product. Questions are embedded anew here, so that the clock tells the truth."""
    documents = {info.id: assistant.document(info.id) for info in assistant.documents()}
    with models.embedder.off_for_queries():
        assistant.ask(questions[0].question)  # what is slow only once is not a question's latency
        for question in _progress(questions, "질문 / asking"):
            answer = ask(assistant, question)
            rows[question.id] |= judged(question, answer, documents)
            if question.answerable and question.documents:
                ranked[question.id] = shown_order(answer)


def _ask_again(
    assistant: Assistant, retriever: HybridRetriever, questions: Sequence[Question], models: Models,
    rows: dict[str, Any], arms: Sequence[str],
) -> None:  # fmt: skip
    """Ask what can be asked of its own documents only, and of all but those."""
    some = [question for question in questions if again.is_asked_again(question)]
    if "reading" in arms:
        for question in _progress(some, "자기 문서만 / reading"):
            rows[question.id]["reading"] = again.reading(assistant, question)
    if "removed" in arms:
        for question in _progress(some, "자기 문서 없이 / removed"):
            rows[question.id]["removed"] = again.removed(assistant, retriever, question, models.morphology)


def _forget_peak_memory() -> None:
    """Begin to count anew, where the system allows it (Linux), so that a set does not inherit the peak of the one before."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mb() -> float:
    """Of this process; macOS counts bytes, the others kilobytes."""
    with suppress(OSError, IndexError):  # IndexError: a system that has the file and does not say
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1_000
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


def _about(models: Models, settings: Settings, options: Options) -> Result:
    return {
        "model": models.embedder.name,
        "settings": asdict(settings),
        "commit": _commit(),
        "version": version("geungeo"),
        "date": date.today().isoformat(),
        "arms": list(options.arms),
        "limit": options.limit,
        "seed": options.seed,
        "distractors": options.distractors,
        "texts": options.texts,
        "credit": options.credit,
    }


def _commit() -> str | None:
    """The commit that ran, with a + when files had been changed since; None outside of a repository."""
    try:
        git = ["git", "-C", str(ROOT)]
        commit = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "rag", "evals"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


class _Bar:
    """A progress bar over the passages embedded."""

    def __init__(self, label: str) -> None:
        self._bar = tqdm(desc=label, unit="", leave=False, disable=None)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        if progress.stage == "embed":
            self._bar.total = progress.total
            self._bar.n = progress.done
            self._bar.refresh()


def _progress(questions: Sequence[Question], label: str) -> Any:
    return tqdm(questions, desc=label, leave=False, disable=None)


def read(gold: Path | None, squad: Path | None, beir: Path | None, corpus: Sequence[Path], options: Options) -> Dataset:
    """The set of questions with its documents.

    Raises:
        DatasetError: a file is missing or damaged.

    """
    if gold is not None:
        dataset, places = readers.read_gold(gold), [gold.parent, Path(), SEEDS]
    elif squad is not None:
        dataset, places = readers.read_squad(squad), []
    else:
        assert beir is not None
        dataset, places = readers.read_beir(beir), []
    if options.limit is not None:
        dataset = datasets.sampled(dataset, options.limit, options.seed)
    return collect(dataset, corpus, places, others=options.distractors, seed=options.seed, questions=gold)


@cache
def _shared_models() -> Models:
    return Models()


def run_set(name: str, spec: SetSpec, *, results: Path | None, models: Models | None = None) -> Result:
    """Run a set of evals/gate.toml; its result is written to ``results``/NAME.json and .html when a folder is given."""
    if results is not None:
        results.mkdir(parents=True, exist_ok=True)
    options = Options(
        limit=spec.limit, seed=spec.seed, distractors=spec.distractors, credit=spec.credit,
        texts=spec.texts, own_questions=spec.gold is not None,
    )  # fmt: skip
    dataset = read(spec.gold, spec.squad, spec.beir, spec.corpus, options)
    result = evaluate(dataset, models or _shared_models(), options) | {"dataset": name}
    if results is not None:
        write(result, results / f"{name}.json", results / f"{name}.html")
    return result


def write(result: Result, as_json: Path | None, as_html: Path | None) -> None:
    """Write the result as JSON, and as a page to be read."""
    if as_json is not None:
        as_json.write_text(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    if as_html is not None:
        from evals import report

        report.write(result, as_html)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.run",
        description="질문 묶음을 제품에 묻고 답을 잽니다 (evals/README.md) / ask a set of questions and measure the answers",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--gold", type=Path, metavar="FILE", help="질문 JSONL / questions, the project's format")
    source.add_argument("--squad", type=Path, metavar="FILE", help="SQuAD 1.1/2.0 JSON")
    source.add_argument("--beir", type=Path, metavar="DIR", help="BEIR 폴더 / folder")
    parser.add_argument("--corpus", type=Path, nargs="+", default=[], metavar="FILE", help="문서 / documents")
    parser.add_argument(
        "--distractors", type=_count, metavar="N", help="질문과 무관한 문서 수 / documents beside those needed"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="질문 수 / questions at most")
    parser.add_argument("--seed", type=int, default=1, help="뽑기의 씨앗 / of what is drawn (1)")
    parser.add_argument("--arms", type=_arms, default=CHOICES, metavar="ARMS", help=",".join(CHOICES))
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="색인 폴더, 없으면 임시 / library, else a temporary one"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="결과 JSON / result")
    parser.add_argument("--html", type=Path, metavar="OUT", help="보고서 / report")
    parser.add_argument("--no-texts", action="store_true", help="문서의 글은 빼고 적기 / leave out texts of documents")
    given = parser.parse_args(arguments)
    options = Options(
        arms=given.arms, limit=given.limit, seed=given.seed, distractors=given.distractors, index=given.index,
        texts=not given.no_texts, own_questions=given.gold is not None,
    )  # fmt: skip
    try:
        for path in (given.json, given.html):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():  # better said now than after the run
                    raise DatasetError(datasets.both(path, "파일이 아니라 폴더입니다", "it is a folder"))
        dataset = read(given.gold, given.squad, given.beir, given.corpus, options)
        models = Models()
        with closing(models.embedder):
            result = evaluate(dataset, models, options)
        write(result, given.json, given.html)
    except (DatasetError, GeungeoError, OSError) as error:
        sys.stderr.write(f"{datasets.message(error)}\n")
        return 1
    sys.stdout.write(summary(result))
    for path in (given.json, given.html):
        if path is not None:
            sys.stdout.write(f"▸ {path}\n")
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 이상이어야 합니다 / must be 1 or more")
    return number


def _arms(text: str) -> tuple[str, ...]:
    named = [arm.strip() for arm in text.split(",")]
    if unknown := [arm for arm in named if arm not in CHOICES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: {', '.join(CHOICES)} 가운데 고릅니다 / is one of these")
    if "removed" in named and "full" not in named:  # it is held against the question as it is asked else
        raise argparse.ArgumentTypeError("removed: full과 함께 고릅니다 / goes with full")
    return tuple(arm for arm in CHOICES if arm in named)


if __name__ == "__main__":
    raise SystemExit(main())

"""The documents of a run in a library, read, cut and indexed by the very code that a user's documents go through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from evals.datasets import Dataset, DatasetError, Place, Question, both, find_all, located, thinned
from evals.readers import read_corpus
from rag import Assistant, GeungeoError, Progress
from rag.errors import DocumentError, QuestionError
from rag.loaders import find_files, normalise

COLLECTION = "evals"
TELLING = 20  # characters of evidence that do not stand in another document by chance
AT_ONCE = 2_000  # documents a file: far below the size that a file may have


def collect(
    dataset: Dataset, corpus: Sequence[Path], places: Sequence[Path],
    *, others: int | None, seed: int, questions: Path | None = None,
) -> Dataset:  # fmt: skip
    """The dataset with the documents of ``corpus``: JSON lines are records, all else are files of a user's kind, and a
    folder is what it holds but for the file of ``questions``.

    A document that a question names and no record holds is looked for as a file in the folders ``places``. With ``others``
    only so many records that no question needs are kept, chosen by ``seed``.

    Raises:
        DatasetError: a corpus file is damaged or missing, or an id stands twice.

    """
    records = [dict(record) for record in dataset.records]
    files = list(dataset.files)
    apart = {questions.resolve()} if questions is not None else set()
    for path in corpus:
        if {".jsonl"} & set(path.suffixes):
            records += read_corpus(path)
        elif path.is_dir():
            files += [file for file in _loadable(path) if file.resolve() not in apart]
        elif path.exists():
            files.append(path)
        else:
            raise DatasetError(both(path, "파일이 없습니다", "there is no such file"))
    counts = Counter(record["id"] for record in records)
    if twice := [id for id, count in counts.items() if count > 1]:
        raise DatasetError(
            both(dataset.name, f"문서 id {twice[0]}이(가) 두 번 있습니다", "a document's id stands twice")
        )
    named = {document for question in dataset.questions for document in question.documents}
    if others is not None:
        records = thinned(records, named, others, seed)
    known = {record["id"] for record in records} | {normalise(file.name) for file in files}
    beside: list[Path] = []
    for name in sorted(named - known):
        beside += [folder / name for folder in places if _is_file(folder, name)][:1]
    found = replace(dataset, records=tuple(records), files=tuple(files), beside=tuple(beside))
    _check_records(found)
    return found


def _loadable(folder: Path) -> list[Path]:
    try:
        return list(find_files(folder))
    except DocumentError as error:
        raise DatasetError(both(folder, error.message("ko"), error.message("en"))) from error


def _check_records(dataset: Dataset) -> None:
    """Whether what is expected stands in the records: better known before they are embedded."""
    texts = {record["id"]: normalise(record["text"]) for record in dataset.records}
    some = [q for q in dataset.questions if q.documents and all(document in texts for document in q.documents)]
    _all_located(some, texts)


def _all_located(questions: Iterable[Question], texts: Mapping[str, str]) -> list[Question]:
    """The questions with their places; when some cannot be placed the first is told, and how many more there are."""
    found, wrong = [], []
    for question in questions:
        try:
            found.append(located(question, texts))
        except DatasetError as error:
            wrong.append(error)
    if len(wrong) > 1:
        more = len(wrong) - 1
        raise DatasetError(f"{wrong[0]} (외 {more}건 / and {more} more)")
    if wrong:
        raise wrong[0]
    return found


def _is_file(folder: Path, name: str) -> bool:
    """Whether a file of this bare name is there; what cannot be a name, such as one too long, is none."""
    with suppress(OSError):
        return Path(name).name == name and (folder / name).is_file()
    return False


def check(assistant: Assistant, questions: Iterable[Question]) -> None:
    """Whether the questions, and those before them, can be asked: better known before the documents are embedded.

    Raises:
        DatasetError: one is empty or too long.

    """
    for question in questions:
        for text in (*question.history, question.question):
            try:
                assistant.check(text)
            except QuestionError as error:
                raise DatasetError(both(question.called, error.message("ko"), error.message("en"))) from error


def fill(
    assistant: Assistant, dataset: Dataset, folder: Path, on_progress: Callable[[Progress], None] | None = None
) -> None:
    """Add the documents. ``folder`` is for files on the way; what a library holds already is not added again.

    A library that holds documents is asked as it is when the dataset brings none, and else must hold no others.

    Raises:
        DatasetError: a document cannot be used or would take the place of another one of the same name, or there are others.
        GeungeoError: the library or the model cannot be used.

    """
    infos = assistant.documents()
    paths = [*dataset.files, *(() if infos else dataset.beside)]
    if infos and (paths or dataset.records):
        names = {normalise(path.name) for path in (*paths, *dataset.beside)}
        brought = {record["id"] for record in dataset.records} | names
        starts = tuple(f"{name}#" for name in names)  # what stands in a file of JSON lines is called file#id
        brought |= {info.id for info in infos if normalise(info.name).startswith(starts)}
        if others := [info for info in infos if not {info.id, normalise(Path(info.name).name)} & brought]:
            raise DatasetError(
                both("--index", f"다른 문서가 있습니다: {others[0].title}", "the library holds other documents")
            )
    for at in range(0, len(dataset.records), AT_ONCE):
        path = folder / f"{dataset.name}-{at // AT_ONCE}.jsonl"
        lines = [json.dumps(record, ensure_ascii=False) for record in dataset.records[at : at + AT_ONCE]]
        path.write_text("\n".join(lines), "utf-8")
        paths.append(path)
    held: set[str] = set()
    for path in paths:
        try:
            report = assistant.add([path], collection=COLLECTION, on_progress=on_progress)
        except GeungeoError as error:
            raise DatasetError(both(path.name, error.message("ko"), error.message("en"))) from error
        for failure in report.failed:
            raise DatasetError(both(Path(failure.path).name, failure.message("ko"), failure.message("en")))
        if held & set(report.replaced):
            raise DatasetError(
                both(path.name, "같은 이름의 다른 문서가 있습니다", "another document has the same name")
            )
        held |= {*report.added, *report.unchanged}


def resolve(assistant: Assistant, questions: Iterable[Question]) -> list[Question]:
    """The questions with the ids and places of their documents in the library.

    A question that names no document belongs to the only one there is, if there is only one.

    Raises:
        DatasetError: a document is not in the library, or what a question expects does not stand in it.

    """
    infos = assistant.documents()
    files = {normalise(Path(info.name).name): info.id for info in infos}
    ids = files | {info.id: info.id for info in infos}
    by_id = {info.id: assistant.document(info.id).text for info in infos}
    texts = {name: by_id[id] for name, id in ids.items()}
    named = []
    for question in questions:
        if not question.documents and question.answerable:
            if len(infos) != 1:
                korean, english = "문서가 하나가 아니면 document가 필요합니다", "name the one, unless there is only one"
                raise DatasetError(both(question.called, korean, english))
            question = replace(question, documents=dict.fromkeys(files, 1))
        named.append(question)
    # What is wrong is told by the names the questions use, so ids come after.
    placed = [_renamed(question, ids) for question in _all_located(named, texts)]
    return [_with_twins(question, by_id) for question in placed]


def _with_twins(question: Question, texts: Mapping[str, str]) -> Question:
    """The question with the other documents in which its evidence stands word for word: they answer it as well."""
    if question.placed or not question.places:
        return question
    known = set(question.documents)
    places = [list(entry) for entry in question.places]
    for entry, found in zip(question.evidence, places, strict=False):  # without evidence the places are the answers'
        if len(entry) >= TELLING:
            others = ((id, text) for id, text in texts.items() if id not in known)
            found += [Place(id, at, at + len(entry)) for id, text in others for at in find_all(text, entry)]
    twins = [place.document for found in places for place in found if place.document not in known]
    documents = {**question.documents, **dict.fromkeys(twins, 1)}
    return replace(question, documents=documents, places=tuple(tuple(found) for found in places))


def _renamed(question: Question, ids: Mapping[str, str]) -> Question:
    """The question with its documents called by their ids."""
    places = [tuple(place._replace(document=ids[place.document]) for place in entry) for entry in question.places]
    return replace(
        question,
        documents={ids[name]: relevance for name, relevance in question.documents.items()},
        places=tuple(places),
        elsewhere=tuple(place._replace(document=ids[place.document]) for place in question.elsewhere),
    )

r"""Bytes or a path -> documents. One function a format; a new format is a line in ``LOADERS``.

Text is decoded, its line ends made ``\n`` and the whole NFC-normalised here, once. What comes out is what is stored,
searched, quoted and shown. Nothing is guessed: bytes that fit no encoding we know are refused.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

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
from rag.furniture import Line, lines
from rag.types import Document, Mark


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document and the bytes it came from (of a JSONL file: its line)."""

    document: Document
    original: bytes


def load_text(data: bytes, name: str, collection: str) -> list[LoadedDocument]:
    """Plain text. The title is the first headline-like line.

    Raises:
        BinaryFileError, EmptyDocumentError: there is no text to be had.

    """
    text = normalise(decode(data, name))
    return [_document(data, text, name, collection, title=_headline(text) or Path(name).stem)]


def load_markdown(data: bytes, name: str, collection: str) -> list[LoadedDocument]:
    """Markdown, kept as it is written. Headings become marks, the first of them the title.

    Raises:
        BinaryFileError, EmptyDocumentError: there is no text to be had.

    """
    text = normalise(decode(data, name))
    headings = [
        (m.start(), m[1].strip())
        for m in re.finditer(r"^#{1,6}[ \t]+(\S[^\n]*?)(?:[ \t]+#+)?[ \t]*$", text, re.MULTILINE)
    ]
    title = headings[0][1] if headings else _headline(text) or Path(name).stem
    marks = tuple(Mark(offset, label) for offset, label in headings)
    return [_document(data, text, name, collection, title=title, marks=marks)]


def load_jsonl(data: bytes, name: str, collection: str) -> list[LoadedDocument]:
    """One document a line: ``{"id", "title", "text"}``, and ``"date"`` where known. Blank lines are passed over.

    Raises:
        BadRecordError: a line is not such a record, or an id stands twice; nothing of the file is used then.
        BinaryFileError, EmptyDocumentError: there is no text to be had.

    """
    documents: list[LoadedDocument] = []
    seen: set[str] = set()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", decode(data, name)), 1):
        if not line.strip():
            continue
        record = _record(line, name, number)
        if record["id"] in seen:
            raise BadRecordError(path=name, line=number, detail=f"the id {record['id']} stands twice")
        seen.add(record["id"])
        text = normalise(record["text"])
        title = normalise(record["title"]).strip() or _headline(text) or record["id"]
        try:
            loaded = _document(
                line.encode(),
                text,
                f"{name}#{record['id']}",
                collection,
                title=title,
                id=record["id"],
                date=record["date"] or None,
            )
        except EmptyDocumentError as error:
            raise BadRecordError(path=name, line=number, detail="the text is empty") from error
        documents.append(loaded)
    if not documents:
        raise EmptyDocumentError(path=name)
    return documents


Loader = Callable[[bytes, str, str], list[LoadedDocument]]
LOADERS: Mapping[str, Loader] = {
    ".txt": load_text,
    ".text": load_text,
    ".md": load_markdown,
    ".markdown": load_markdown,
    ".jsonl": load_jsonl,
}
SUPPORTED = ", ".join(LOADERS)


def load(path: Path, *, name: str, collection: str, max_mb: int) -> list[LoadedDocument]:
    """The documents of one file. ``name`` is what it is known by within its collection.

    Raises:
        DocumentError: it cannot be read or holds no document; the subclass and its message say why.

    """
    loader = LOADERS.get(path.suffix.lower())
    if loader is None:
        raise UnsupportedFormatError(path=path.name, supported=SUPPORTED)
    try:
        size = path.stat().st_size
        if size > max_mb * 1_000_000:
            raise FileTooLargeError(path=path.name, size_mb=round(size / 1e6), limit_mb=max_mb)
        if not path.is_file():  # a pipe or a device would be read for ever
            raise UnreadableFileError(path=path, detail="not a file")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(path=path, detail=error.strerror or error) from error
    try:
        return loader(data, name, collection)
    except DocumentError as error:
        error.fields.pop("path", None)
        raise type(error)(path=path.name, **error.fields) from error


def find_files(path: Path) -> Iterator[Path]:
    """The file itself, or the loadable files below a folder, sorted; hidden ones and links are passed over.

    Raises:
        NoDocumentsError: the folder holds none.
        UnreadableFileError: there is nothing at ``path``.

    """
    try:
        path.stat()
        files = _files_below(path) if path.is_dir() else [path]
    except (OSError, ValueError) as error:  # ValueError: a zero in the name
        raise UnreadableFileError(path=path, detail=getattr(error, "strerror", None) or error) from error
    if not files:
        raise NoDocumentsError(path=path, supported=SUPPORTED)
    yield from files


def _files_below(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in LOADERS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        # A link in somebody's folder must not pull in a file from outside of it.
        and not any(p.is_symlink() for p in [file, *file.parents[: len(file.relative_to(folder).parts) - 1]])
    ]


def decode(data: bytes, name: str) -> str:
    """Bytes to text: UTF-8 or UTF-16 with or without a byte order mark, else CP949 (which holds EUC-KR).

    Raises:
        BinaryFileError: none of them gives text.

    """
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _is_text(text, encoding):
            return text
    raise BinaryFileError(path=name)


def _encodings(data: bytes) -> list[str]:
    if data.startswith(codecs.BOM_UTF8):
        return ["utf-8-sig"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    if b"\0" in data:  # in text only UTF-16 has zero bytes: the high halves of spaces, digits and line ends
        return ["utf-16-le", "utf-16-be"] if data[1::2].count(0) >= data[::2].count(0) else ["utf-16-be", "utf-16-le"]
    return ["utf-8", "cp949"]


def _is_text(text: str, encoding: str) -> bool:
    """No zero, and hardly a control, unassigned or private character: random bytes that happen to decode are full of them.

    Random bytes do not happen to be UTF-8: there an emoji newer than this Python, or a private character, is meant.
    """
    rare = {"Cc"} if encoding.startswith("utf-8") else {"Cc", "Cn", "Co"}
    odd = sum(unicodedata.category(c) in rare and c not in "\t\n\r\f\v\x1a" for c in text)
    return "\0" not in text and odd <= len(text) // 100


def normalise(text: str) -> str:
    r"""NFC, with ``\n`` line ends, and without byte order marks in front."""
    return unicodedata.normalize("NFC", text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def _document(
    original: bytes,
    text: str,
    name: str,
    collection: str,
    *,
    title: str,
    id: str | None = None,
    date: str | None = None,
    marks: tuple[Mark, ...] = (),
) -> LoadedDocument:
    if not any(character.isalnum() for character in text):
        raise EmptyDocumentError(path=name)
    sha256 = hashlib.sha256(original).hexdigest()
    return LoadedDocument(
        Document(id or sha256[:16], title[:200], text, sha256, collection, name, date, marks), original
    )


def _record(line: str, name: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecordError(path=name, line=number, detail="not JSON") from error
    if not isinstance(record, dict):
        raise BadRecordError(path=name, line=number, detail="not a JSON object")
    id: Any = record.get("id")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    date = record.get("date")
    fields: dict[str, Any] = {
        "id": id,
        "title": record.get("title") or "",
        "text": record.get("text"),
        "date": "" if date is None else date,
    }
    for key, value in fields.items():
        if not isinstance(value, str):
            raise BadRecordError(path=name, line=number, detail=f'"{key}" is missing or not a text')
        # What UTF-8 cannot hold, or SQLite would cut a text at, could never be quoted exactly.
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise BadRecordError(path=name, line=number, detail=f'"{key}" holds a zero or half a character')
    if not fields["id"].strip():
        raise BadRecordError(path=name, line=number, detail='"id" is empty')
    return fields


def _headline(text: str) -> str:
    """What a letter calls its subject, or the first of the leading short lines that says something.

    A section label above a headline does not, nor do buttons, dates and bylines.
    """
    leading = [
        " ".join(text[start:end].split())
        for start, end, _ in islice((line for line in lines(text) if line[2] is Line.CONTENT), 10)
    ]
    for line in leading:  # a letter's head; its other lines are about who and when
        if subject := re.match(r"(?:제목|subject)\s?[:\uFF1A]\s*(\S.*)", line, re.IGNORECASE):
            return subject[1]
    candidates = list(takewhile(lambda line: len(line) <= 80 and not line.endswith((".", "다")), leading[:5]))
    return next((line for line in candidates if len(line) >= 8), candidates[0] if candidates else "")

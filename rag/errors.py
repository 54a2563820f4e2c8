"""Every error a caller may see, one class a cause.

::

    GeungeoError
    ├── QuestionError
    │   ├── EmptyQuestionError
    │   └── QuestionTooLongError
    ├── HistoryError
    │   └── HistoryTooLongError
    ├── DocumentError
    │   ├── UnreadableFileError
    │   ├── UnsupportedFormatError
    │   ├── BinaryFileError
    │   ├── EmptyDocumentError
    │   ├── FileTooLargeError
    │   ├── BadRecordError
    │   ├── NoDocumentsError
    │   ├── DuplicateIdError
    │   ├── DuplicateNameError
    │   └── DocumentNotFoundError
    ├── LibraryError
    │   ├── LibraryMissingError
    │   ├── LibraryCorruptError
    │   ├── LibraryTooNewError
    │   ├── ModelMismatchError
    │   ├── LibraryBusyError
    │   └── StorageError
    ├── ModelError
    │   └── ReaderError
    └── OutputError

``str(error)`` is English, for developers and logs. ``error.message("ko")`` is what a user reads. Both carry the value
that was wrong and the next step, and stay on one line. What is raised with an English ``detail``, be it ours, SQLite's or the
system's, is put into Korean here, so that no other module needs to know two languages.
"""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from typing import ClassVar, Literal

Language = Literal["ko", "en"]


def one_line(value: object) -> str:
    """A value as shown inside a message: one line, no control characters, at most 200 characters."""
    shown = "".join(
        " "
        if character in "\t\r\n\u2028\u2029"
        else "�"
        if unicodedata.category(character).startswith("C")
        else character
        for character in str(value)
    )
    return shown if len(shown) <= 200 else shown[:199] + "…"


_SYSTEM = {
    errno.ENOENT: "그런 파일이나 폴더가 없습니다",
    errno.EACCES: "권한이 없습니다",
    errno.EPERM: "허용되지 않은 일입니다",
    errno.EISDIR: "파일이 아니라 폴더입니다",
    errno.ENOTDIR: "폴더가 아닙니다",
    errno.EEXIST: "같은 이름의 파일이 이미 있습니다",
    errno.ENOSPC: "저장 공간이 모자랍니다",
    errno.EIO: "입출력 오류입니다",
    errno.ENAMETOOLONG: "이름이 너무 깁니다",
    errno.EROFS: "쓸 수 없는 저장 매체입니다",
    errno.ELOOP: "심볼릭 링크가 끝없이 이어집니다",
    errno.EBADF: "닫혀 있습니다",
}
# Details in English, whole, and their Korean. The system's own come first; where one is missing, its English stays.
_DETAILS = {os.strerror(code): korean for code, korean in _SYSTEM.items()} | {
    "embedded null byte": "이름에 0인 바이트가 있습니다",
    "not a file": "파일이 아닙니다",
    "the file is empty": "파일이 비어 있습니다",
    "the text is empty": "글이 비어 있습니다",
    "not JSON": "JSON이 아닙니다",
    "not a list": "목록이 아닙니다",
    "not a JSON object": "JSON 객체가 아닙니다",
    "file is not a database": "데이터베이스 파일이 아닙니다",
    "database disk image is malformed": "데이터베이스 파일이 깨졌습니다",
    "database or disk is full": "저장 공간이 모자랍니다",
    "unable to open database file": "데이터베이스 파일을 열 수 없습니다",
    "attempt to write a readonly database": "쓸 수 없는 파일입니다",
    "disk I/O error": "디스크 입출력 오류입니다",
    "some of the weights are no numbers": "가중치에 숫자가 아닌 것이 있습니다",
    "the documents keep changing or do not agree with their index": "문서가 계속 바뀌거나 색인과 맞지 않습니다",
}
# Those with a value in them.
_PATTERNS = {
    r'"(\w+)" is missing or not a text': '"{}"가 없거나 글이 아닙니다',
    r'"(\w+)" holds a zero or half a character': '"{}"에 0인 글자나 반쪽 글자가 있습니다',
    r'"(\w+)" is empty': '"{}"가 비어 있습니다',
    r"the id (.*) stands twice": "id {}가 두 번 나옵니다",
    r"not the weights of a reader \((.*)\)": "독해 모델의 가중치가 아닙니다 ({})",
    r"not a safetensors file \((.*)\)": "safetensors 파일이 아닙니다 ({})",
    r"no such (?:table|column): (.*)": "있어야 할 {} 표가 없습니다",
}


def _in_korean(detail: str) -> str:
    """An English detail in Korean, also behind a path and a colon; one that is not known stays as it is."""
    path, colon, last = detail.rpartition(": ")
    if detail in _DETAILS:
        return _DETAILS[detail]
    for pattern, korean in _PATTERNS.items():
        if (found := re.fullmatch(pattern, detail)) is not None:
            return korean.format(*found.groups())
    return f"{path}{colon}{_DETAILS.get(last, last)}"


class GeungeoError(Exception):
    """Base of all errors of this library. Fields given by keyword fill the templates of the class."""

    english: ClassVar[str] = "Something went wrong."
    korean: ClassVar[str] = "문제가 생겼습니다."

    def __init__(self, **fields: object) -> None:
        self.fields = {name: one_line(value) for name, value in fields.items()}
        super().__init__(self.message("en"))

    def message(self, language: Language = "ko") -> str:
        """The error in one line of Korean or English."""
        if language == "en":
            return self.english.format(**self.fields)
        shown = {name: _in_korean(value) if name == "detail" else value for name, value in self.fields.items()}
        return self.korean.format(**shown)


class QuestionError(GeungeoError):
    """The question cannot be asked as it is."""


class EmptyQuestionError(QuestionError):
    """The question has no letters, digits or ideographs."""

    english = "The question is empty. Write what you want to know."
    korean = "질문이 비어 있습니다. 알고 싶은 것을 적어 주세요."


class QuestionTooLongError(QuestionError):
    """The question is longer than the limit. Fields: length, limit (characters)."""

    english = "The question is {length} characters long; the limit is {limit}. Shorten it."
    korean = "질문이 {length}자입니다. {limit}자까지 물을 수 있으니 줄여 주세요."


class HistoryError(GeungeoError):
    """Earlier turns are not a JSON list of {"role", "content"}. Field: detail."""

    english = 'The history cannot be used: {detail}. It must be a JSON list of {{"role": "user" or "assistant", "content": text}}.'
    korean = '이전 대화를 쓸 수 없습니다: {detail}. {{"role": "user" 또는 "assistant", "content": 글}}의 JSON 목록이어야 합니다.'


class HistoryTooLongError(HistoryError):
    """The last question of the earlier turns is longer than the limit. Fields: length, limit (characters)."""

    english = "The last question of the history is {length} characters long; the limit is {limit}. Shorten it."
    korean = "이전 대화의 마지막 질문이 {length}자입니다. {limit}자까지 쓸 수 있으니 줄여 주세요."


class DocumentError(GeungeoError):
    """A document cannot be added, found or shown."""


class UnreadableFileError(DocumentError):
    """A file does not exist or cannot be opened. Fields: path, detail."""

    english = "Cannot read {path}: {detail}."
    korean = "{path} 파일을 읽을 수 없습니다: {detail}."


class UnsupportedFormatError(DocumentError):
    """No loader knows the file's extension. Fields: path, supported."""

    english = "The format of {path} is not supported. Supported: {supported}."
    korean = "{path} 파일의 형식은 지원하지 않습니다. 지원 형식: {supported}."


class BinaryFileError(DocumentError):
    """A file named as text is not text in any encoding we read. Field: path."""

    english = "{path} is not text: no known encoding (UTF-8, UTF-16, CP949) fits it."
    korean = "{path} 파일은 글이 아닙니다. 맞는 인코딩(UTF-8, UTF-16, CP949)이 없습니다."


class EmptyDocumentError(DocumentError):
    """A file holds no letters, digits or ideographs. Field: path."""

    english = "{path} has no text in it."
    korean = "{path} 파일에 글이 없습니다."


class FileTooLargeError(DocumentError):
    """A file is over the size limit. Fields: path, size_mb, limit_mb."""

    english = "{path} is {size_mb} MB; the limit is {limit_mb} MB. Split it and add the parts."
    korean = "{path} 파일은 {size_mb}MB입니다. {limit_mb}MB까지 넣을 수 있으니 나누어 넣어 주세요."


class BadRecordError(DocumentError):
    """A line of a JSONL file is not a document. Fields: path, line, detail."""

    english = '{path}, line {line}: {detail}. Each line must be {{"id", "title", "text"}}.'
    korean = '{path} {line}번째 줄: {detail}. 줄마다 {{"id", "title", "text"}}가 있어야 합니다.'


class NoDocumentsError(DocumentError):
    """A folder holds nothing that can be loaded. Fields: path, supported."""

    english = "There are no documents in {path}. Supported: {supported}."
    korean = "{path} 폴더에 넣을 문서가 없습니다. 지원 형식: {supported}."


class DuplicateIdError(DocumentError):
    """Another source already uses this id. Fields: path, id, other."""

    english = "The id {id} in {path} is already used by {other}. Give it another id, or remove that document first."
    korean = "{path}의 id {id}는 이미 {other}에서 쓰고 있습니다. id를 바꾸거나 그 문서를 먼저 지워 주세요."


class DuplicateNameError(DocumentError):
    """Two different files added at once go by one name, of which one would replace the other. Fields: path, other."""

    english = (
        "{path} has the same name as {other}, added at the same time. Rename it, or add the folder that holds both."
    )
    korean = "{path} 파일은 함께 넣은 {other} 파일과 이름이 같습니다. 이름을 바꾸거나 둘이 든 폴더를 넣어 주세요."


class DocumentNotFoundError(DocumentError):
    """No document has this id. Field: id."""

    english = "There is no document with the id {id}. `rag list` shows the documents."
    korean = "id가 {id}인 문서가 없습니다. `rag list`로 문서 목록을 볼 수 있습니다."


class LibraryError(GeungeoError):
    """The library folder cannot be used as it is."""


class LibraryMissingError(LibraryError):
    """There is no library where one was expected. Field: path."""

    english = "There is no library in {path}. Add documents with `rag add PATH --index {path}`."
    korean = "{path}에 색인이 없습니다. `rag add 경로 --index {path}`로 문서를 넣어 주세요."


class LibraryCorruptError(LibraryError):
    """The library is damaged. Fields: path, detail."""

    english = "The library {path} is damaged: {detail}. Move it away and add the documents again, or restore a backup."
    korean = "{path} 색인이 손상되었습니다: {detail}. 다른 곳으로 옮기고 문서를 다시 넣거나 백업을 되살려 주세요."


class LibraryTooNewError(LibraryError):
    """The library was written by a newer version. Fields: path, version, supported."""

    english = "The library {path} has schema {version}; this version reads up to {supported}. Update geungeo."
    korean = "{path} 색인의 스키마는 {version}이고, 이 판은 {supported}까지 읽습니다. geungeo를 업데이트해 주세요."


class ModelMismatchError(LibraryError):
    """The library was made with another embedding model. Fields: path, stored, current."""

    english = (
        "The library {path} was made with the model {stored}, but {current} is set. "
        "Run `rag rebuild --index {path}` to embed it again with {current}, or set GEUNGEO_MODEL={stored}."
    )
    korean = (
        "{path} 색인은 {stored} 모델로 만들었는데 지금 설정은 {current}입니다. "
        "`rag rebuild --index {path}`로 다시 만들거나 GEUNGEO_MODEL={stored}로 설정해 주세요."
    )


class LibraryBusyError(LibraryError):
    """Another process holds the library for writing. Field: path."""

    english = "Another program is writing to the library {path}. Try again in a moment."
    korean = "다른 프로그램이 {path} 색인에 쓰고 있습니다. 잠시 뒤에 다시 해 주세요."


class StorageError(LibraryError):
    """The library cannot be written. Fields: path, detail."""

    english = "Cannot write to the library {path}: {detail}. Nothing was changed; free some space or check permissions."
    korean = "{path} 색인에 쓸 수 없습니다: {detail}. 바뀐 것은 없습니다. 저장 공간과 권한을 확인해 주세요."


class ModelError(GeungeoError):
    """The embedding model cannot be loaded. Fields: model, detail."""

    english = "The model {model} cannot be loaded: {detail}. Set GEUNGEO_MODEL to a folder that holds a sentence-transformers model."
    korean = (
        "{model} 모델을 불러올 수 없습니다: {detail}. GEUNGEO_MODEL을 sentence-transformers 모델 폴더로 설정해 주세요."
    )


class ReaderError(ModelError):
    """The weights of the reader cannot be read. Fields: model, detail."""

    english = (
        "The reader {model} cannot be loaded: {detail}. "
        "Is it what GEUNGEO_READER names, name a file of `python -m training.more`; else install the library again."
    )
    korean = (
        "{model} 독해 모델을 불러올 수 없습니다: {detail}. "
        "GEUNGEO_READER로 정한 파일이면 `python -m training.more`로 만든 파일로 바꾸고, 아니면 다시 설치해 주세요."
    )


class OutputError(GeungeoError):
    """A result cannot be written to where it should go. Field: detail."""

    english = "The result cannot be written: {detail}. Check where the output goes."
    korean = "결과를 쓸 수 없습니다: {detail}. 출력하는 곳을 확인해 주세요."

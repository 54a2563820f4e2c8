"""What the command line understands and says: its options, its words in both languages, and answers in them."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from rag.citations import is_sentence, parts
from rag.errors import HistoryError, Language, one_line
from rag.settings import Settings
from rag.types import Answer, Citation, Turn

TEXTS: dict[str, tuple[str, str]] = {
    "description": (
        "문서에서 답을 찾아 원문 그대로, 자리와 함께 보여 줍니다.",
        "Answers questions from your documents, in their own words, with the place.",
    ),
    "index": ("색인 폴더 (기본값: index)", "folder of the library (default: index)"),
    "lang": ("메시지의 언어", "language of messages"),
    "json": ("결과를 JSON으로", "print the result as JSON"),
    "ask": ("질문하기", "ask a question"),
    "search": ("관련 있는 대목 찾기", "find passages"),
    "add": ("파일이나 폴더의 문서 넣기", "add documents from files and folders"),
    "list": ("문서 목록", "list the documents"),
    "show": ("문서의 글 보기", "print a document's text"),
    "remove": ("문서 지우기 (원본 파일은 그대로)", "remove a document (its file is not touched)"),
    "verify": ("색인에 이상이 없는지 확인", "check the library"),
    "rebuild": ("모든 문서를 다시 나누고 임베딩하기", "split and embed all documents again"),
    "history": ('이전 대화 JSON 파일: [{{"role", "content"}}]', 'JSON file of earlier turns: [{{"role", "content"}}]'),
    "k": ("대목 수 (기본값: 10)", "number of passages (default: 10)"),
    "collection": ("문서를 넣을 모음의 이름", "name of the collection to add to"),
    "question": ("질문. -이면 표준 입력에서 읽음", "the question; - reads it from standard input"),
    "positive": ("1 이상의 정수여야 합니다: {value}", "must be a whole number from 1 on: {value}"),
    "declined": ("문서에 답이 없습니다.", "The documents do not say."),
    "related": ("함께 찾은 문장 (답의 근거는 아닐 수 있습니다):", "Also found (may not support the answer):"),
    "reason_not_in_documents": (
        "문서를 찾아보았지만, 이 질문의 답이 되는 말을 찾지 못했습니다.",
        "The documents were searched, and nothing was found that answers this question.",
    ),
    "nearest": ("답이 아님 · 그나마 가장 가까운 문장:", "Not an answer · the nearest sentence there is:"),
    "certainty": ("확실한 정도: {certainty}", "How certain: {certainty}"),
    "certainty_high": ("거의 확실함", "almost certain"),
    "certainty_medium": ("아마 맞음. 원문을 확인하세요.", "probably right; check the source"),
    "certainty_low": ("확실하지 않음. 원문을 꼭 확인하세요.", "not certain; be sure to check the source"),
    "reason_only_related": (
        "관련된 내용은 있지만, 물으신 것은 적혀 있지 않습니다.",
        "They speak of this, but do not say what was asked.",
    ),
    "empty": (
        "문서가 없습니다. `rag add 경로`로 넣어 주세요.",
        "There are no documents. Add some with `rag add PATH`.",
    ),
    "sound": ("이상이 없습니다.", "The library is sound."),
    "removed": ("지웠습니다: {id}", "Removed: {id}"),
    "replaced": (", 바뀐 문서 {replaced}개", ", {replaced} replaced"),
    "failed": ("파일 {count}개를 넣지 못했습니다: {names}", "{count} files could not be added: {names}"),
    "added": ("넣은 문서 {added}개, 이미 있는 문서 {unchanged}개", "{added} added, {unchanged} already there"),
    "rebuilt": ("문서 {count}개를 다시 만들었습니다.", "{count} documents rebuilt."),
    "progress_model": ("모델을 불러오는 중", "loading the model"),
    "progress_load": ("파일을 읽는 중", "reading files"),
    "progress_embed": ("문서를 색인하는 중", "indexing documents"),
    "progress_store": ("저장하는 중", "saving"),
    "pace": ("(1초에 {rate}토막, {left} 남음)", "({rate} passages a second, {left} left)"),
    "interrupted": ("멈췄습니다.", "Interrupted."),
}

BRACKETS = (
    ("【", "】"),
    ("⟦", "⟧"),
    ("«", "»"),
)  # around the words that answer; the first that a quote does not hold itself
# A document's control characters would command the terminal. They are shown as pictures of themselves.
_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {127: "␡"}
_CONTROLS |= dict.fromkeys(range(128, 160), "�")

# What argparse says, and the Korean of it; groups fill the braces.
_USAGE = {
    r"the following arguments are required: (.+)": "빠진 것이 있습니다: {}",
    r"unrecognized arguments: (.+)": "모르는 인자입니다: {}",
    r"ambiguous option: (.+) could match (.+)": "{} 옵션은 여러 뜻이 됩니다: {}",
    r"invalid choice: (.+) \(choose from (.+)\)": "{}은(는) 고를 수 없습니다. 고를 수 있는 것: {}",
    r"expected one argument": "값이 하나 있어야 합니다",
    r"expected at least one argument": "값이 하나 이상 있어야 합니다",
    r"ignored explicit argument (.+)": "값을 받지 않는 옵션입니다: {}",
}


def text(key: str, language: Language, **fields: object) -> str:
    """An entry of the table, its fields filled."""
    korean, english = TEXTS[key]
    return (english if language == "en" else korean).format(**fields)


def language_of(argv: Sequence[str]) -> Language:
    """The language of messages, known before the options are parsed so that usage errors and help speak it too."""
    for at, word in enumerate(argv):
        value = word.removeprefix("--lang=") if word.startswith("--lang=") else None
        if word == "--lang" and at + 1 < len(argv):
            value = argv[at + 1]
        if value in ("ko", "en"):
            return cast("Language", value)
    return Settings.from_environment().language


class _KoreanFormatter(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "사용법: " if prefix is None else prefix)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line under the usage, in the language given."""

    def __init__(self, *, language: Language, **options: Any) -> None:
        formatter = argparse.HelpFormatter if language == "en" else _KoreanFormatter
        super().__init__(formatter_class=formatter, **options)
        self.language = language

    def print_help(self, file: Any = None) -> None:  # argparse's own swallows a write that fails
        file = file or sys.stdout
        if file is not None:
            file.write(self.format_help())

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        shown = message if self.language == "en" else _in_korean(message)
        self.exit(2, f"{self.prog}: {one_line(shown)}\n")


def _in_korean(message: str) -> str:
    """What argparse says, in Korean, also behind the name of an argument; what is not known stays as it is."""
    if (argument := re.fullmatch(r"argument (\S+): (.+)", message, re.DOTALL)) is not None:
        return f"{argument[1]}: {_in_korean(argument[2])}"
    for pattern, korean in _USAGE.items():
        if (found := re.fullmatch(pattern, message, re.DOTALL)) is not None:
            return korean.format(*found.groups())
    return message


def parser_of(language: Language) -> argparse.ArgumentParser:
    """The parser of the command line. The name of the command is in ``command``."""

    def say(key: str) -> str:
        return text(key, language)

    common = _Parser(add_help=False, language=language)
    common.add_argument("--index", type=Path, metavar="DIR", default=argparse.SUPPRESS, help=say("index"))
    common.add_argument("--lang", choices=("ko", "en"), default=argparse.SUPPRESS, help=say("lang"))
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=say("json"))
    parser: argparse.ArgumentParser = _Parser(
        prog="rag", description=say("description"), parents=[common], language=language
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=say(name), description=say(name), parents=[common], language=language)

    ask = add("ask")
    ask.add_argument("question", help=say("question"))
    ask.add_argument("--history", type=Path, metavar="FILE", help=say("history"))
    search = add("search")
    search.add_argument("question", help=say("question"))
    search.add_argument("-k", type=_positive(language), default=10, help=say("k"))
    adding = add("add")
    adding.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    adding.add_argument("--collection", metavar="NAME", help=say("collection"))
    add("list")
    add("show").add_argument("id")
    add("remove").add_argument("id")
    add("verify")
    add("rebuild")
    return parser


def _positive(language: Language) -> Callable[[str], int]:
    def positive(value: str) -> int:
        if not re.fullmatch(r"\s*\+?0*[1-9][0-9]{0,8}\s*", value):
            raise argparse.ArgumentTypeError(text("positive", language, value=value))
        return int(value)

    return positive


def read_history(path: Path) -> list[Turn]:
    """Earlier turns from a JSON file.

    Raises:
        HistoryError: it is not a JSON list of {"role", "content"}.

    """
    try:
        turns = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise HistoryError(detail=f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HistoryError(detail=f"{path}: not JSON") from error
    if not isinstance(turns, list):
        raise HistoryError(detail=f"{path}: not a list")
    for turn in turns:
        good = (
            isinstance(turn, dict)
            and turn.get("role") in ("user", "assistant")  # a tuple: the role may be unhashable
            and isinstance(turn.get("content"), str)
        )
        if not good:
            raise HistoryError(detail=f"{path}: {json.dumps(turn, ensure_ascii=False)[:60]}")
    return [Turn(turn["role"], turn["content"]) for turn in turns]


def shown(words: str) -> str:
    """Words of a document as a terminal may have them."""
    return words.translate(_CONTROLS)


def answer_as_text(answer: Answer, language: Language) -> str:
    """An answer for people to read: what it says, how certain that is and where it stands; or why there is none."""
    return shown("\n".join(_answered(answer, language) if answer.answered else _declined(answer, language)))


def _answered(answer: Answer, language: Language) -> Iterator[str]:
    whole = is_sentence(answer)
    yield _marked(answer.citations[0]) if whole else answer.text or ""
    if answer.confidence:
        yield text("certainty", language, certainty=text(f"certainty_{answer.certainty}", language))
    for number, citation in enumerate(answer.citations, 1):  # only the first says what the answer says
        if number == 2:
            yield from ["", text("related", language)]
        if number == 1 and whole:  # its sentence stands above
            yield from ["", f"[{number}] {_place(citation)}"]
        else:
            yield from ["", f"[{number}] {_marked(citation)}", f"    {_place(citation)}"]


def _declined(answer: Answer, language: Language) -> Iterator[str]:
    yield text("declined", language)
    yield text(
        "empty" if answer.reason == "no_documents" else f"reason_{answer.reason or 'not_in_documents'}", language
    )
    if answer.nearest:  # without marks: no words in it answer
        yield from ["", text("nearest", language), f"    {answer.nearest.quote}", f"    {_place(answer.nearest)}"]


def _marked(citation: Citation) -> str:
    """The quote with the words that answer in brackets."""
    before, words, after = parts(citation)
    if not words:
        return citation.quote
    opening, closing = next((pair for pair in BRACKETS if not set(pair) & set(citation.quote)), BRACKETS[0])
    return f"{before}{opening}{words}{closing}{after}"


def _place(citation: Citation) -> str:
    return f"{citation.title} ({citation.document} {citation.start}:{citation.end})"

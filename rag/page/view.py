"""The conversation as HTML. Records in, escaped strings out; nothing here knows Gradio."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Literal

from rag.page.contract import Exchange, Key, PageSettings, key_of
from rag.page.words import Said, both
from rag.types import Answer, Citation

_REFERENCE = re.compile(r"\[(\d{1,3})\]")
_HANGUL = re.compile("[가-힣ㄱ-ㆎ]")


def language_of(text: str) -> Literal["ko", "en"]:
    """The ``lang`` attribute of a text of a document or a user: Korean as soon as it has Hangul."""
    return "ko" if _HANGUL.search(text, 0, 2000) else "en"


def data_key(citation: Citation) -> str:
    """What the page's script compares to see which citation the reader shows, escaped for an attribute."""
    return escape(f"{citation.document}:{citation.start}:{citation.end}")


def quote_html(citation: Citation) -> str:
    """The quote, with the answering words in ``<b>`` where the citation knows them."""
    quote = citation.quote
    if citation.answer_start is None or citation.answer_end is None:
        return escape(quote)
    start = min(max(citation.answer_start - citation.start, 0), len(quote))
    end = min(max(citation.answer_end - citation.start, start), len(quote))
    if start == end:
        return escape(quote)
    return f"{escape(quote[:start])}<b>{escape(quote[start:end])}</b>{escape(quote[end:])}"


def citation_button(citation: Citation, place: str, label: str, changed: bool) -> str:
    """A citation as a button. ``place`` is ``exchange:citation``, which the server resolves, ``label`` its HTML number.

    ``changed`` adds the note that the source no longer says this.
    """
    note = f'<span class="cite-note">{both("changed")}</span>' if changed else ""
    return (
        f'<button type="button" class="cite{" is-changed" if changed else ""}" data-cite="{escape(place)}" '
        f'data-key="{data_key(citation)}"><span class="cite-head">{label}'
        f'<span class="cite-title">{escape(citation.title)}</span></span>'
        f'<span class="cite-quote" lang="{language_of(citation.quote)}">{quote_html(citation)}</span>{note}</button>'
    )


def reference(answer: Answer, exchange: int, number: int) -> str:
    """The button in the answer's text that opens citation ``number``, counted from 1."""
    key = data_key(answer.citations[number - 1])
    return (
        f'<button type="button" class="ref" data-cite="{exchange}:{number - 1}" data-key="{key}">'
        f'{number}<span class="sr"> {both("citation_n", n=number)}</span></button>'
    )


def answer_text(answer: Answer, exchange: int) -> str:
    """The answer's words, with every ``[1]`` that names a citation turned into a button.

    A text without any gets them at its end, for the citations that it says word for word.
    """
    text = answer.text or ""
    count = len(answer.citations)

    def replaced(match: re.Match[str]) -> str:
        number = int(match[1])
        return reference(answer, exchange, number) if 1 <= number <= count else match[0]

    html = escape(text)
    if not _is_quote(answer) and (linked := _REFERENCE.sub(replaced, html)) != html:
        return linked
    return html + "".join(reference(answer, exchange, number) for number in supporting(answer))


def supporting(answer: Answer) -> list[int]:
    """The numbers of the citations that the answer rests on: those it names, or else those it says word for word."""
    text, count = answer.text or "", len(answer.citations)
    found = [] if _is_quote(answer) else [int(match[1]) for match in _REFERENCE.finditer(text)]
    named = set(found) & set(range(1, count + 1))
    return sorted(named) or [n for n, citation in enumerate(answer.citations, 1) if _says(text, citation.quote)]


def _is_quote(answer: Answer) -> bool:
    """Whether the answer is a document's own sentence: a ``[1]`` in it is the document's, not ours."""
    return any(answer.text == citation.quote for citation in answer.citations)


def _says(text: str, quote: str) -> bool:
    text, quote = text.strip(), quote.strip()
    return bool(text and quote) and (quote in text or text in quote)


def _evidence(answer: Answer, exchange: int, changed: Collection[Key]) -> str:
    """What the answer rests on, and apart from it what else was found: a quote must not seem to say what it does not."""
    first = supporting(answer)
    others = [number for number in range(1, len(answer.citations) + 1) if number not in first]
    return _cites(answer, exchange, first, "citations", changed) + _cites(answer, exchange, others, "related", changed)


def _cites(answer: Answer, exchange: int, numbers: Sequence[int], label: str, changed: Collection[Key]) -> str:
    items = "".join(
        "<li>"
        + citation_button(
            answer.citations[number - 1],
            f"{exchange}:{number - 1}",
            f'<span class="cite-n"><span class="sr">{both(label)} </span>{number}</span>',
            key_of(answer.citations[number - 1]) in changed,
        )
        + "</li>"
        for number in numbers
    )
    return f'<p class="label">{both(label)}</p><ol class="cites">{items}</ol>' if items else ""


def _declined(answer: Answer, nearest: Sequence[Citation], exchange: int, changed: Collection[Key]) -> str:
    reason = both(f"reason_{answer.reason or 'not_in_documents'}")
    html = f'<p class="verdict">{both("declined")}</p><p class="why">{reason}</p>'
    if not nearest:
        return html
    tag = f'<span class="tag">{both("not_an_answer")}</span>'
    button = citation_button(nearest[0], f"{exchange}:0", tag, key_of(nearest[0]) in changed)
    return f'{html}<div class="nearest"><p class="label">{both("nearest")}</p>{button}</div>'


def _reply(exchange: Exchange, number: int, changed: Collection[Key]) -> tuple[str, str]:
    """The state of an exchange, for the style sheet and the script, and the HTML of its reply."""
    if exchange.problem is not None:
        return "problem", f'<p class="verdict">{both("problem")}</p><p class="why">{exchange.problem.html()}</p>'
    if exchange.answer is None:
        return "waiting", f'<p class="waiting"><span class="dots" aria-hidden="true"></span>{wait_words(exchange)}</p>'
    if not exchange.answer.answered:
        return "declined", _declined(exchange.answer, exchange.citations(), number, changed)
    text = answer_text(exchange.answer, number)
    language = language_of(exchange.answer.text or "")
    evidence = _evidence(exchange.answer, number, changed)
    return "answered", f'<p class="answer" lang="{language}">{text}</p>{evidence}'


def wait_words(exchange: Exchange) -> str:
    """What a question waits for."""
    return both(f"wait_{exchange.waiting}")


def exchange_html(exchange: Exchange, number: int, changed: Collection[Key] = ()) -> str:
    """One question with its reply. ``number`` is its index in the conversation, ``changed`` the stale citations."""
    state, reply = _reply(exchange, number, changed)
    return (
        f'<article class="turn" data-turn="{number}" data-state="{state}">'
        f'<h2 class="question" lang="{language_of(exchange.question)}"><span class="sr">{both("question")}: </span>'
        f"{escape(exchange.question)}</h2>"
        f'<div class="reply">{reply}</div></article>'
    )


def conversation(exchanges: Sequence[Exchange], changed: Collection[Key] = ()) -> str:
    """The whole conversation, oldest first."""
    return "".join(exchange_html(exchange, number, changed) for number, exchange in enumerate(exchanges))


def examples(settings: PageSettings) -> str:
    """The example questions as buttons that ask them."""
    buttons = "".join(
        f'<li><button type="button" class="example" data-example="{escape(question)}" lang="{language_of(question)}">'
        f"{escape(question)}</button></li>"
        for question in settings.examples
    )
    return f'<p class="label">{both("examples")}</p><ul class="examples">{buttons}</ul>' if buttons else ""


def welcome(settings: PageSettings, opening: bool, problem: Said | None, documents: int, samples: int) -> str:
    """What stands in place of an empty conversation.

    ``documents`` counts all documents, ``samples`` those that the examples are about.
    """
    if problem is not None:
        below = (
            f'<div class="notice is-problem" role="alert"><p class="verdict">{both("open_failed")}</p>'
            f'<p class="why">{problem.html()}</p>'
            f'<button type="button" class="button" data-do="retry">{both("retry")}</button></div>'
        )
    elif opening:
        below = (
            f'<div class="notice" role="status"><p class="waiting"><span class="dots" aria-hidden="true"></span>'
            f'{both("opening")}</p><p class="why">{both("opening_more")}</p></div>'
        )
    elif samples:
        below = examples(settings)
    else:
        line = "no_examples" if documents else "no_library"
        below = f'<div class="notice"><p class="why">{both(line)}</p></div>'
    promises = "".join(f"<li>{both(f'promise_{name}')}</li>" for name in ("offline", "exact", "place"))
    return (
        f'<div class="welcome-in"><h2>{both("welcome_title")}</h2><p class="lead">{both("welcome_text")}</p>'
        f'<ul class="promises">{promises}</ul>{below}</div>'
    )

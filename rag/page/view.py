"""The conversation as HTML. Records in, escaped strings out; nothing here knows Gradio."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Literal

from rag.citations import is_sentence, parts
from rag.page.contract import Exchange, Key, PageSettings, key_of
from rag.page.words import Said, both
from rag.types import Answer, Citation

_SIZES = {"short": 32, "middle": 90}  # characters of an answer; what is longer is set smaller
_HANGUL = re.compile("[가-힣ㄱ-ㆎ]")


def language_of(text: str) -> Literal["ko", "en"]:
    """The ``lang`` attribute of a text of a document or a user: Korean as soon as it has Hangul."""
    return "ko" if _HANGUL.search(text, 0, 2000) else "en"


def data_key(citation: Citation) -> str:
    """What the page's script compares to see which citation the reader shows, escaped for an attribute."""
    return escape(f"{citation.document}:{citation.start}:{citation.end}")


def quote_html(citation: Citation) -> str:
    """The quote, with the words that answer in a mark."""
    before, words, after = parts(citation)
    mark = f'<mark class="core">{escape(words)}</mark>' if words else ""
    return escape(before) + mark + escape(after)


def citation_button(citation: Citation, place: str, label: str, changed: bool, quoted: bool = True) -> str:
    """A citation as a button. ``place`` is ``exchange:citation``, which the server resolves, ``label`` its HTML number.

    ``changed`` adds the note that the source no longer says this. Without ``quoted`` only the source is named.
    """
    quote = f'<span class="cite-quote" lang="{language_of(citation.quote)}">{quote_html(citation)}</span>'
    note = f'<span class="cite-note">{both("changed")}</span>' if changed else ""
    return (
        f'<button type="button" class="cite{" is-changed" if changed else ""}" data-cite="{escape(place)}" '
        f'data-key="{data_key(citation)}"><span class="cite-head">{label}'
        f'<span class="cite-title">{escape(citation.title)}</span></span>{quote if quoted else ""}{note}</button>'
    )


def answer_html(answer: Answer) -> str:
    """What the documents say: exact words, or the sentence with these marked where they are most of it."""
    text, first = answer.text or "", answer.citations[0] if answer.citations else None
    html, language = escape(text), language_of(first.quote if first else text)
    if first is not None and is_sentence(answer):
        html, text = quote_html(first), first.quote
    size = next((name for name, most in _SIZES.items() if len(text) <= most), "long")
    return f'<p class="answer is-{size}" lang="{language}">{html}</p>'


def certainty_html(answer: Answer) -> str:
    """How certain the answer is, in words; nothing for an answer that came without its confidence."""
    if not answer.confidence:
        return ""
    return (
        f'<p class="certainty is-{answer.certainty}"><span class="level" aria-hidden="true"><i></i><i></i><i></i></span>'
        f'<span><span class="sr">{both("certainty")}: </span>{both(f"certainty_{answer.certainty}")}</span></p>'
    )


def _evidence(answer: Answer, exchange: int, changed: Collection[Key]) -> str:
    """The sentence that answers, and apart from it what else was found: a quote must not seem to say what it does not."""
    numbers = range(1, len(answer.citations) + 1)
    said = is_sentence(answer)  # above, in full
    first = _cites(answer, exchange, numbers[:1], "stands_here" if said else "citations", changed, quoted=not said)
    return first + _cites(answer, exchange, numbers[1:], "related", changed)


def _cites(
    answer: Answer, exchange: int, numbers: Sequence[int], label: str, changed: Collection[Key], quoted: bool = True
) -> str:
    items = "".join(
        "<li>"
        + citation_button(
            answer.citations[number - 1],
            f"{exchange}:{number - 1}",
            f'<span class="cite-n"><span class="sr">{both(label)} </span>{number}</span>',
            key_of(answer.citations[number - 1]) in changed,
            quoted,
        )
        + "</li>"
        for number in numbers
    )
    kind = " is-related" if label == "related" else ""
    return f'<p class="label">{both(label)}</p><ol class="cites{kind}">{items}</ol>' if items else ""


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
    answer = exchange.answer
    return "answered", answer_html(answer) + certainty_html(answer) + _evidence(answer, number, changed)


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

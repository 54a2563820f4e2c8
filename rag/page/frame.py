"""The parts of the page that never change: header, question box, tabs, drop area, dialog and icons."""

from __future__ import annotations

from html import escape
from typing import Literal

from rag.page.contract import PageSettings
from rag.page.words import Said, both

_PATHS = {
    "send": '<path d="M12 19V5M5.5 11.5 12 5l6.5 6.5"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "theme": '<path d="M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5Z"/>',
    "page": '<path d="M7 3.5h7l4 4v13H7zM14 3.5v4h4M10 12h5M10 15.5h5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "trash": '<path d="M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v5.5M13.5 10.5v5.5"/>',
    "grow": '<path d="m7 14 5-5 5 5"/>',
    "tray": '<path d="M12 4v10M8 10.5l4 4 4-4M4.5 15v4.5h15V15"/>',
}


def icon(name: str) -> str:
    """An icon as inline SVG, hidden from screen readers."""
    return f'<svg aria-hidden="true" viewBox="0 0 24 24">{_PATHS[name]}</svg>'


def _words_for(attribute: str, key: str) -> str:
    """Data attributes from which the script fills ``attribute`` in the page's language."""
    said = Said.word(key)
    return f'data-attr="{attribute}" data-ko="{escape(said.ko)}" data-en="{escape(said.en)}"'


# Names that others refer to by id. A name taken from a hidden element would hold both languages, so the script writes
# these in the page's language.
_NAMES = "".join(
    f'<span id="word-{name}" {_words_for("text", key)}></span>'
    for name, key in {
        "remove": "remove",
        "adding": "adding",
        "cited": "cited_here",
        "not-an-answer": "not_an_answer",
        "answer-begins": "answer_begins",
        "answer-ends": "answer_ends",
        "conversation": "conversation",
        "documents": "documents_list",
    }.items()
)


def header(language: Literal["ko", "en"]) -> str:
    """Name, tools, the hidden words that others refer to, the dialog, and the live region."""
    return (
        f'<header class="top" data-default-language="{language}"><div class="brand"><h1>근<i>거</i></h1>'
        f"<p>{both('tagline')}</p></div>"
        '<div class="tools">'
        f'<button type="button" class="tool only-talking" data-do="renew">{icon("plus")}'
        f"<span>{both('new_chat')}</span></button>"
        f'<button type="button" class="tool only-narrow" data-do="documents">{icon("page")}'
        f"<span>{both('tab_documents')}</span></button>"
        '<button type="button" class="tool" data-do="language"><span class="w" lang="ko"><span lang="en">English</span>'
        '</span><span class="w" lang="en"><span lang="ko">한국어</span></span></button>'
        f'<button type="button" class="tool is-icon" data-do="theme" aria-pressed="false">{icon("theme")}'
        f'<span class="sr">{both("dark")}</span></button></div></header>'
        f'<div class="banner" role="alert" hidden>{both("connection_lost")}</div>'
        f'<div class="sr" id="live" role="status" aria-live="polite"></div>'
        f"<div hidden>{_NAMES}"
        f'<svg><symbol id="icon-trash" viewBox="0 0 24 24">{_PATHS["trash"]}</symbol></svg></div>'
        f'<div class="veil" aria-hidden="true"><p>{icon("tray")}{both("drop_anywhere")}</p></div>{_dialog()}'
    )


def _dialog() -> str:
    return (
        '<dialog class="confirm" aria-labelledby="confirm-title" aria-describedby="confirm-text">'
        f'<h2 id="confirm-title">{both("remove_title")}</h2><p class="confirm-name"></p>'
        f'<p id="confirm-text">{both("remove_text")}</p><div class="confirm-row">'
        f'<button type="button" class="button" data-do="keep">{both("cancel")}</button>'
        f'<button type="button" class="button is-danger" data-do="remove">{both("remove")}</button></div></dialog>'
    )


def composer() -> str:
    """The question box."""
    return (
        f'<form class="composer"><div class="box"><label class="sr" for="question-box">{both("question")}</label>'
        f'<textarea id="question-box" rows="1" autocomplete="off" enterkeyhint="send" '
        f"{_words_for('placeholder', 'ask_placeholder')}></textarea>"
        f'<button type="submit" class="send">{icon("send")}<span class="sr">{both("ask")}</span></button></div>'
        f'<p class="hint">{both("ask_hint")}</p></form>'
    )


def desk_head() -> str:
    """The tabs above the source text and the list of documents."""

    def tab(name: str, selected: str) -> str:
        return (
            f'<button type="button" role="tab" id="tab-{name}" aria-controls="pane-{name}" data-tab="{name}" '
            f'aria-selected="{selected}"><span>{both(f"tab_{name}")}</span><span class="badge"></span></button>'
        )

    return (
        f'<div class="desk-head"><div class="tabs" role="tablist" {_words_for("aria-label", "evidence_pane")}>'
        f"{tab('documents', 'true')}{tab('reader', 'false')}</div>"
        f'<button type="button" class="icon-button only-narrow" data-do="grow">{icon("grow")}'
        f'<span class="sr">{both("enlarge")}</span></button>'
        f'<button type="button" class="icon-button only-narrow" data-do="close">{icon("close")}'
        f'<span class="sr">{both("close")}</span></button></div>'
    )


def drop_area(settings: PageSettings) -> str:
    """Where files are dropped or chosen. The script hands them to Gradio's own upload."""
    formats = " ".join(extension.lstrip(".").upper() for extension in settings.extensions)
    accept = escape(",".join(settings.extensions))
    return (
        f'<div class="drop" data-limit="{settings.max_file_mb}"><div><p class="drop-title">{both("drop")}</p>'
        f'<p class="drop-more" id="drop-more">{both("drop_formats", formats=formats, limit=settings.max_file_mb)}</p>'
        f'</div><label class="button" for="file-picker">{both("choose")}</label>'
        f'<input class="sr" type="file" id="file-picker" multiple accept="{accept}" aria-describedby="drop-more"></div>'
        f'<div class="too-large" role="alert" hidden data-ko="{escape(_too_large(settings).ko)}" '
        f'data-en="{escape(_too_large(settings).en)}"></div>'
    )


def _too_large(settings: PageSettings) -> Said:
    return Said.word("too_large", limit=settings.max_file_mb)

"""The side with the source text and the list of documents, as HTML. Nothing here knows Gradio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from zlib import crc32

from rag.citations import parts
from rag.page.frame import icon
from rag.page.view import data_key, language_of
from rag.page.words import Said, both
from rag.types import Citation, Document, DocumentInfo, Progress

PART = 60_000  # characters of a document that are shown at a time; more makes old computers slow

MARK = '<mark id="cited" tabindex="-1" aria-describedby="word-cited">'
NEAREST_MARK = '<mark id="cited" class="is-nearest" tabindex="-1" aria-describedby="word-not-an-answer">'

Span = tuple[int, int]


def part_of(text: str, focus: int, size: int = PART) -> Span:
    """The part of a long text that is shown around ``focus``, ending at line ends where there are any nearby."""
    if len(text) <= size:
        return 0, len(text)
    start = max(0, min(focus - size // 3, len(text) - size))
    end = min(len(text), start + size)
    if start and (line := text.rfind("\n", max(0, start - 2000), start)) >= 0:
        start = line + 1
    if end < len(text) and (line := text.find("\n", end, end + 2000)) >= 0:
        end = line + 1
    return start, end


def marked(text: str, part: Span, cited: Span | None, core: Span | None = None, mark: str = MARK) -> str:
    """``text`` within ``part``, escaped, with ``cited`` in ``mark`` and ``core``, inside it, in ``<strong>``.

    All spans are code points of ``text``. Slicing happens before escaping, so offsets stay true.
    """
    low, high = part
    if cited is None:
        return escape(text[low:high])
    start, end = (min(max(offset, low), high) for offset in cited)
    inside = escape(text[start:end])
    if core is not None:
        first, last = (min(max(offset, start), end) for offset in core)
        if first < last:
            inside = escape(text[start:first]) + _strong(text[first:last]) + escape(text[last:end])
    quote = f"{mark}{inside}</mark>" if start < end else ""
    return escape(text[low:start]) + quote + escape(text[end:high])


def _strong(words: str) -> str:
    return f'<strong class="core">{escape(words)}</strong>' if words else ""


def _facts(document: Document) -> str:
    facts = [escape(document.date)] if document.date else []
    facts += [escape(document.name), both("characters", n=f"{len(document.text):,}")]
    return "".join(f"<span>{fact}</span>" for fact in facts)


def _pager(document: Document, part: Span) -> tuple[str, str]:
    """The buttons above and below a part of a long document."""
    start, end = part
    total = len(document.text)
    if (start, end) == (0, total):
        return "", ""
    where = f'<span class="part">{both("part", start=f"{start + 1:,}", end=f"{end:,}", total=f"{total:,}")}</span>'

    def button(word: str, at: int) -> str:
        return (
            f'<button type="button" class="button" data-open="{escape(document.id)}" data-at="{at}">'
            f"{both(word)}</button>"
        )

    above = button("previous_part", max(0, start - PART * 2 // 3)) if start else ""
    below = button("next_part", min(total, end + PART // 3 - 1)) if end < total else ""
    return f'<p class="pager">{above}{where}</p>', f'<p class="pager">{below}</p>' if below else ""


def reader(document: Document, citation: Citation | None = None, at: int = 0, nearest: bool = False) -> str:
    """A document as an article, with the cited words marked, or, without a citation, from offset ``at``.

    ``nearest`` marks them as what is near and answers nothing.
    """
    text = document.text
    part = part_of(text, citation.start if citation else at)
    cited: Span | None = None
    core: Span | None = None
    if citation is not None:
        cited = (citation.start, citation.end)
        before, words, _ = parts(citation)
        core = (citation.start + len(before), citation.start + len(before) + len(words))
    above, below = _pager(document, part)
    key = data_key(citation) if citation else escape(f"{document.id}:{at}")
    language = language_of(document.title + text[part[0] : part[0] + 500])
    shown = marked(text, part, cited, core, NEAREST_MARK if nearest else MARK)
    return (
        f'<article class="paper" data-key="{key}"><header class="paper-head"><h2 lang="{language_of(document.title)}">'
        f'{escape(document.title)}</h2><p class="facts">{_facts(document)}</p></header>'
        f'{above}<div class="text" lang="{language}">{shown}</div>{below}</article>'
    )


def reader_changed(citation: Citation, nearest: bool = False) -> str:
    """What is shown instead of a document that no longer says what was quoted."""
    before, words, after = parts(citation)
    return (
        f'<article class="paper" data-key="{data_key(citation)}"><header class="paper-head">'
        f'<h2 lang="{language_of(citation.title)}">{escape(citation.title)}</h2></header>'
        f'<div class="notice is-changed"><p class="verdict">{both("changed")}</p>'
        f'<p class="why">{both("changed_more")}</p></div>'
        f'<div class="text" lang="{language_of(citation.quote)}">{NEAREST_MARK if nearest else MARK}'
        f"{escape(before)}{_strong(words)}{escape(after)}</mark></div></article>"
    )


def reader_empty(word: str = "reader_empty", more: str = "reader_empty_more") -> str:
    """What is shown while no document is open; both are keys of the words."""
    return f'<div class="blank">{icon("page")}<p class="blank-title">{both(word)}</p><p>{both(more)}</p></div>'


def documents(infos: Sequence[DocumentInfo]) -> str:
    """The list of documents, newest additions where the assistant puts them, with open and remove buttons."""
    if not infos:
        return f'<div class="blank">{icon("page")}<p class="blank-title">{both("documents_empty")}</p></div>'
    stamp = f"{crc32(' '.join(info.id for info in infos).encode()):08x}"  # the script looks whether it has changed
    rows = "".join(_row(number, info) for number, info in enumerate(infos))
    return f'<ul class="docs" data-count="{len(infos)}" data-stamp="{stamp}">{rows}</ul>'


def _row(number: int, info: DocumentInfo) -> str:
    # The remove button is named by the one hidden word #word-remove and the row's title: a thousand rows stay light.
    ident = escape(info.id)
    title = escape(info.title)
    return (
        f'<li class="doc"><button type="button" class="doc-open" data-open="{ident}">'
        f'<span class="doc-title" id="doc-{number}" lang="{language_of(info.title)}">{title}</span>'
        f'<span class="facts"><span>{escape(info.name)}</span>'
        f"<span>{both('characters', n=f'{info.characters:,}')}</span></span></button>"
        f'<button type="button" class="icon-button doc-remove" data-remove="{ident}" data-title="{title}" '
        f'aria-labelledby="word-remove doc-{number}"><svg aria-hidden="true"><use href="#icon-trash"></use></svg>'
        "</button></li>"
    )


def documents_opening() -> str:
    """The list before the assistant is open."""
    rows = '<li class="doc ghost" aria-hidden="true"><span></span><span></span></li>' * 3
    return f'<ul class="docs">{rows}</ul><p class="sr">{both("opening")}</p>'


def intake_progress(progress: Progress | None) -> str:
    """How far adding has come. None: it has just begun."""
    if progress is None or progress.total <= 0:
        return f'<div class="intake"><p>{both("adding")}</p><progress aria-labelledby="word-adding"></progress></div>'
    done = min(progress.done, progress.total)
    count = f"{done:,}/{progress.total:,}"
    if progress.stage == "embed":
        count = f"{progress.percent}%"
        if progress.left is not None:
            count += f" · {both('pace', rate=f'{progress.per_s:.0f}', left=progress.left)}"
    detail = f'<span class="detail">{escape(progress.detail)}</span>' if progress.detail else ""
    return (
        f'<div class="intake" data-stage="{escape(progress.stage)}"><p>{both(f"stage_{progress.stage}")} '
        f'<span class="count">{count}</span>{detail}</p>'
        f'<progress aria-labelledby="word-adding" value="{done}" max="{progress.total}"></progress></div>'
    )


def intake_report(added: int, replaced: int, unchanged: int, failed: Iterable[tuple[str, Said]]) -> str:
    """What became of the files: three counts, and every file that failed with the reason in the page's language."""
    failures = list(failed)
    lines = [both("added", n=added)] if added or not (replaced or unchanged or failures) else []
    lines += [both("replaced", n=replaced)] if replaced else []
    lines += [both("unchanged", n=unchanged)] if unchanged else []
    html = "".join(f'<p class="ok">{line}</p>' for line in lines)
    if failures:
        items = "".join(
            # Most messages begin with the name already.
            f"<li>{'' if name in said.ko and name in said.en else f'<b>{escape(name)}</b> '}{said.html()}</li>"
            for name, said in failures
        )
        html += f'<p class="bad">{both("failed", n=len(failures))}</p><ul class="failures" tabindex="0">{items}</ul>'
    close = (
        f'<button type="button" class="icon-button" data-do="dismiss">{icon("close")}'
        f'<span class="sr">{both("close")}</span></button>'
    )
    return f'<div class="intake is-done"><div>{html}</div>{close}</div>'


def intake_problem(problem: Said) -> str:
    """Why nothing could be added or removed."""
    return f'<div class="intake is-done is-problem" role="alert"><p class="bad">{problem.html()}</p></div>'


def intake_removed(title: str) -> str:
    """That a document is gone."""
    return f'<div class="intake is-done"><p class="ok">{both("removed", title=title)}</p></div>'

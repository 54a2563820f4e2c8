"""The Gradio app: regions, events and how it is served. The only module that imports Gradio."""

from __future__ import annotations

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from rag.errors import Language
from rag.page import desk, frame
from rag.page.contract import AssistantLike, PageSettings
from rag.page.guard import Guard
from rag.page.handlers import Exchanges, Handlers, Screen, Upload
from rag.page.opening import Opening

_FONT = ("Pretendard", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", "sans-serif")
_PLAIN = {"apply_default_css": False, "js_on_load": None}
_REGIONS = {
    # Only these fixed strings pass through Gradio's template engine; a value is inserted once, and not read again.
    "welcome": '<section class="welcome">${value}</section>',
    "talk": '<section class="talk" tabindex="0" aria-labelledby="word-conversation">${value}</section>',
    "reader": (
        '<section class="pane reader" id="pane-reader" role="tabpanel" aria-labelledby="tab-reader" '
        'tabindex="0">${value}</section>'
    ),
    "documents": '<section class="documents" tabindex="0" aria-labelledby="word-documents">${value}</section>',
    "intake": '<section class="intakes" role="status">${value}</section>',
}


@dataclass(frozen=True, slots=True)
class _Regions:
    """The components that events fill, named as the fields of ``Screen``."""

    exchanges: gr.State
    welcome: gr.HTML
    talk: gr.HTML
    reader: gr.HTML
    documents: gr.HTML
    intake: gr.HTML

    def all(self) -> list[Any]:
        return [getattr(self, each.name) for each in fields(self)]

    def fill(self, screen: Screen) -> dict[Any, Any]:
        """Only what changes, as Gradio takes it."""
        values = {each.name: getattr(screen, each.name) for each in fields(self)}
        return {getattr(self, name): value for name, value in values.items() if value is not None}


def build_page(
    assistant: AssistantLike | Opening, *, settings: PageSettings | None = None, language: Language = "ko"
) -> gr.Blocks:
    """The page as a Gradio app around ``assistant``, which may still be opening. Serve it with ``serve``."""
    settings = settings or PageSettings()
    opening = assistant if isinstance(assistant, Opening) else Opening.ready(assistant)
    with gr.Blocks(title="근거 · Geungeo", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        with gr.Column(elem_id="geungeo"):
            shell = gr.HTML(frame.header(language), apply_default_css=False, js_on_load=_asset("page.js"))
            welcome, talk = _region("welcome", ""), _region("talk", "")
            gr.HTML(frame.composer(), **_PLAIN)
            with gr.Column(elem_id="desk"):
                gr.HTML(frame.desk_head(), **_PLAIN)
                reader = _region("reader", desk.reader_empty())
                with gr.Column(elem_id="pane-documents"):
                    gr.HTML(frame.drop_area(settings), **_PLAIN)
                    intake = _region("intake", "")
                    documents = _region("documents", desk.documents_opening())
            with gr.Column(elem_id="carrier"):
                uploads = gr.UploadButton(file_count="multiple")
        regions = _Regions(gr.State(()), welcome, talk, reader, documents, intake)
        _wire(page, shell, uploads, regions, Handlers(opening, settings))
    page.queue(default_concurrency_limit=8, max_size=64)
    return page


def _region(name: str, value: str) -> gr.HTML:
    return gr.HTML(value, html_template=_REGIONS[name], **_PLAIN)


def _asset(name: str) -> str:
    return (files("rag.page") / name).read_text(encoding="utf-8")


def _wire(page: gr.Blocks, shell: gr.HTML, uploads: gr.UploadButton, regions: _Regions, handlers: Handlers) -> None:
    """Connect the browser's events with the handlers."""
    fill, state = regions.fill, regions.exchanges

    def each(screens: Iterator[Screen]) -> Iterator[dict[Any, Any]]:
        for screen in screens:
            yield fill(screen)

    def load() -> Iterator[dict[Any, Any]]:
        yield from each(handlers.load())

    def retry() -> Iterator[dict[Any, Any]]:
        yield from each(handlers.retry())

    def ask(event: gr.EventData, exchanges: Exchanges) -> Iterator[dict[Any, Any]]:
        yield from each(handlers.ask(_sent(event).get("question"), exchanges))

    def add(received: list[dict[str, Any]] | None, exchanges: Exchanges) -> Iterator[dict[Any, Any]]:
        yield from each(handlers.add(_received(received), exchanges))

    def show(event: gr.EventData, exchanges: Exchanges) -> dict[Any, Any]:
        return fill(handlers.open(_sent(event), exchanges))

    def remove(event: gr.EventData, exchanges: Exchanges) -> dict[Any, Any]:
        return fill(handlers.remove(_sent(event).get("document"), exchanges))

    def renew() -> dict[Any, Any]:
        return fill(handlers.renew())

    def failed(exchanges: Exchanges) -> dict[Any, Any]:
        return fill(handlers.failed(exchanges))

    def on(listener: Callable[..., Any], fn: Callable[..., Any], *inputs: Any, **options: Any) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        done = listener(fn, list(inputs), regions.all(), **quiet, **options)
        done.failure(failed, [state], regions.all(), **quiet)

    on(page.load, load)
    on(shell.retry, retry)
    on(shell.ask, ask, state)
    on(shell.open, show, state, trigger_mode="always_last")
    on(shell.remove, remove, state, trigger_mode="multiple")
    on(shell.renew, renew)
    # Without preprocess, which would forget the files' own names. Gradio checks their paths before that.
    on(uploads.upload, add, uploads, state, trigger_mode="multiple", preprocess=False)


def _sent(event: gr.EventData) -> dict[str, Any]:
    """What the page's script sent with an event; anything but an object counts as nothing."""
    return event._data if isinstance(event._data, dict) else {}


def _received(files: list[dict[str, Any]] | None) -> list[Upload]:
    """The files that lie in Gradio's upload folder, under their own names. No other path is looked at."""
    folder = Path(get_upload_folder()).resolve()
    uploads = [
        Upload(Path(file["path"]).resolve(), file.get("orig_name") or Path(file["path"]).name) for file in files or ()
    ]
    return [upload for upload in uploads if upload.path.is_relative_to(folder)]


def serve(page: gr.Blocks, host: str, port: int, settings: PageSettings | None = None) -> str:
    """Start serving in the background and return the URL, which answers by then. ``page.close()`` ends it."""
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
        share=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        allowed_paths=[],
        max_file_size=f"{(settings or PageSettings()).max_file_mb}mb",
        app_kwargs={"middleware": [Middleware(Guard, host=host)], "docs_url": None, "redoc_url": None},
        theme=_theme(),
        head=_head(),
    )
    return str(url)


def _head() -> str:
    # As css= Gradio would put its container before every selector, and rules for :root would match nothing.
    return f"<style>{_asset('page.css')}</style><script>{_asset('head.js')}</script>"


def _theme() -> gr.themes.Base:
    """Gradio's base theme without its web fonts, and with our paper behind the page while it loads."""
    theme = gr.themes.Base(font=_FONT, font_mono=("ui-monospace", "monospace"))
    return theme.set(
        body_background_fill="#f5f1e8",
        body_background_fill_dark="#181714",
        body_text_color="#26231e",
        body_text_color_dark="#ebe5d9",
    )

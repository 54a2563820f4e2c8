"""The chat page. ``build_page`` makes the Gradio app around an assistant, ``main`` starts it from a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.page.contract import AssistantLike, PageSettings
from rag.page.launcher import main
from rag.page.opening import Opening

if TYPE_CHECKING:
    import gradio

    from rag.errors import Language

__all__ = ["AssistantLike", "Opening", "PageSettings", "build_page", "main"]


def build_page(
    assistant: AssistantLike | Opening, *, settings: PageSettings | None = None, language: Language = "ko"
) -> gradio.Blocks:
    """The page as a Gradio app around ``assistant``, or around one that is still opening (``Opening(callable)``)."""
    from rag.page import blocks  # only here: Gradio takes seconds to import

    return blocks.build_page(assistant, settings=settings, language=language)

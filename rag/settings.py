"""What can be set, with its default, its unit and where the default comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

from rag.errors import Language

BUNDLED_MODEL = "multilingual-e5-small"
QUERY_PROMPT = "query: "  # the prompts the E5 models were trained with (Wang et al. 2024)
PASSAGE_PROMPT = "passage: "


@dataclass(frozen=True, slots=True)
class Settings:
    """One flat set of settings. ``Settings.from_environment`` reads those that have a ``GEUNGEO_`` variable."""

    model: str = BUNDLED_MODEL  # or a folder or hub name of a sentence-transformers model
    query_prompt: str | None = None  # for other models; None: as the model says
    passage_prompt: str | None = None
    reader: str | None = None  # a file of weights that training made; None: the one that comes with the library
    language: Language = "ko"  # of messages
    chunk_size: int = 300  # characters a passage
    sentence_vectors: bool = (
        True  # False: indexing takes half the time; enough to search, and answers are chosen less well
    )
    max_question: int = 2_000  # characters
    max_file_mb: int = 64

    @classmethod
    def from_environment(cls, **overrides: Any) -> Settings:
        """Defaults, then ``GEUNGEO_MODEL``, ``GEUNGEO_QUERY_PROMPT``, ``GEUNGEO_PASSAGE_PROMPT``, ``GEUNGEO_READER``,
        ``GEUNGEO_LANGUAGE``, then ``overrides`` that are not None.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name in {"model", "query_prompt", "passage_prompt", "reader", "language"}:
                found = os.environ.get(f"GEUNGEO_{field.name.upper()}")
                if found is not None:
                    values[field.name] = found
        values.update({name: value for name, value in overrides.items() if value is not None})
        if values.get("language") not in (None, "ko", "en"):
            values["language"] = "ko"
        return cls(**values)

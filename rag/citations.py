"""The one invariant of the product: a quote is the document's own words at the place it names.

Everything that quotes goes through ``verify`` before it leaves the library. Nothing is searched for or matched
approximately: a quote that does not stand at its offsets is dropped, and logged, because it is a defect.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from rag.types import Citation, Document

logger = logging.getLogger(__name__)


def is_exact(citation: Citation, document: Document) -> bool:
    """Whether the quote, and the answer inside it, stand in the document exactly where the citation says."""
    if citation.document != document.id or not 0 <= citation.start < citation.end <= len(document.text):
        return False
    if document.text[citation.start : citation.end] != citation.quote:
        return False
    start, end = citation.answer_start, citation.answer_end
    if start is None or end is None:
        return start is end
    return citation.start <= start < end <= citation.end


def verify(citations: Iterable[Citation], documents: Mapping[str, Document]) -> tuple[Citation, ...]:
    """The citations that are exact, in their order."""
    kept = []
    for citation in citations:
        document = documents.get(citation.document)
        if document is not None and is_exact(citation, document):
            kept.append(citation)
        else:
            logger.error("dropped an inexact quote: %s [%d:%d]", citation.document, citation.start, citation.end)
    return tuple(kept)

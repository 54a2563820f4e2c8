"""근거 (Geungeo): questions about your own documents, answered in the documents' own words.

::

    from rag import Assistant

    assistant = Assistant.open("index")
    hits = assistant.search("바이오 분야 지원 금액은?", k=5)
"""

from rag.assistant import Assistant
from rag.errors import GeungeoError
from rag.interfaces import Embedder
from rag.settings import Settings
from rag.types import AddReport, Answer, Citation, Document, DocumentInfo, Hit, Passage, Progress, Turn

__all__ = [
    "AddReport",
    "Answer",
    "Assistant",
    "Citation",
    "Document",
    "DocumentInfo",
    "Embedder",
    "GeungeoError",
    "Hit",
    "Passage",
    "Progress",
    "Settings",
    "Turn",
]

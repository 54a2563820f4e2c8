"""A LangChain retriever over a library (extra ``langchain``).

::

    from rag import Assistant
    from rag.adapters.langchain import GeungeoRetriever

    retriever = GeungeoRetriever(assistant=Assistant.open("index"), k=5)
    documents = retriever.invoke("바이오 분야 지원 금액은?")
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from rag.assistant import Assistant


class GeungeoRetriever(BaseRetriever):
    """Passages as LangChain documents.

    ``metadata`` holds ``document``, ``title``, ``start``, ``end`` (code points of the stored text) and ``score``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    assistant: Any  # Assistant; pydantic must not try to copy or validate it
    k: int = 10

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        assistant: Assistant = self.assistant
        titles = {info.id: info.title for info in assistant.documents()}
        return [
            Document(
                page_content=hit.passage.text,
                metadata={
                    "document": hit.passage.document,
                    "title": titles.get(hit.passage.document, ""),
                    "start": hit.passage.start,
                    "end": hit.passage.end,
                    "score": hit.score,
                },
            )
            for hit in assistant.search(query, self.k)
        ]

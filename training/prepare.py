"""Embed the paragraphs of mrc/train once, as the library would: passages and, within them, sentences.

    python -m training.prepare OUT.npz [QUESTIONS]

Needs ``$GEUNGEO_DATA``. About 12 minutes on two cores for all questions; QUESTIONS takes that many, drawn at random. The result holds, for training/query.py:

- ``passages`` (p, 384) float16 and ``passage_document`` (p,), ``sentences`` (s, 384) float16 and ``sentence_passage`` (s,)
- ``questions`` (q,) texts, ``source`` (q,), ``document`` (q,)
- ``gold`` (n, 2): pairs of question and sentence that overlaps its answer
"""

from __future__ import annotations

import json
import os
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np

from rag.embedding import SentenceEmbedder
from rag.indexing import index_documents
from rag.loaders import load_jsonl
from rag.morphology import Morphology
from rag.settings import Settings


def main() -> int:
    """Write the file named on the command line."""
    out, data = Path(sys.argv[1]), os.environ.get("GEUNGEO_DATA")
    if not data:
        sys.exit("set GEUNGEO_DATA to the folder that holds mrc/train.jsonl")
    rows = [json.loads(line) for line in (Path(data) / "mrc/train.jsonl").read_text("utf-8").splitlines()]
    if len(sys.argv) > 2:
        rows = random.Random(1).sample(rows, int(sys.argv[2]))
    texts = list(dict.fromkeys(unicodedata.normalize("NFC", row["context"]) for row in rows))
    lines = [json.dumps({"id": str(i), "title": "", "text": text}, ensure_ascii=False) for i, text in enumerate(texts)]
    documents = [item.document for item in load_jsonl("\n".join(lines).encode(), "mrc.jsonl", "mrc")]
    number = {document.text: i for i, document in enumerate(documents)}
    settings = Settings()
    indexed = index_documents(
        documents,
        Morphology(),
        SentenceEmbedder.open(settings),
        chunk_size=settings.chunk_size,
        on_progress=lambda p: print(f"\r{p.done}/{p.total} passages", end="", file=sys.stderr, flush=True),
    )
    passages, passage_document, sentences, sentence_passage, spans = [], [], [], [], []
    for at, (_, some) in enumerate(indexed):
        for passage in some:
            sentence_passage += [len(passages)] * len(passage.sentences)
            spans += [(at, s.start, s.end) for s in passage.sentences]
            sentences.append(passage.sentence_vectors)
            passages.append(passage.vector.astype(np.float16))
            passage_document.append(at)
    of_document: dict[int, list[int]] = {}
    for index, (at, _, _) in enumerate(spans):
        of_document.setdefault(at, []).append(index)
    gold, questions, source, document = [], [], [], []
    for question, row in enumerate(rows):
        own = number[unicodedata.normalize("NFC", row["context"])]
        answer = row["answers"][0]
        start = len(unicodedata.normalize("NFC", row["context"][: answer["answer_start"]]))
        end = start + len(unicodedata.normalize("NFC", answer["text"]))
        gold += [(question, i) for i in of_document[own] if spans[i][1] < end and spans[i][2] > start]
        questions.append(row["question"])
        source.append(row["source"])
        document.append(own)
    np.savez(
        out,
        passages=np.stack(passages),
        passage_document=np.array(passage_document),
        sentences=np.concatenate(sentences),
        sentence_passage=np.array(sentence_passage),
        questions=np.array(questions),
        source=np.array(source),
        document=np.array(document),
        gold=np.array(gold),
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How much of the encoder's own speed is left when documents are indexed.

    GEUNGEO_DATA=... python -m benchmarks.indexing [--json] [--sections 150 | --all]

Sections of the law guide are added to a new library: read, split, analysed, embedded with their sentences, written, and put into
FAISS and BM25. Then the very texts that were embedded are embedded again, all at once and with nothing else to do. Both sides are
measured in one process, and the shares of the tokens a second are compared.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ask import show
from rag import Assistant
from rag.embedding import BundledEmbedder
from rag.interfaces import Vectors
from rag.morphology import Morphology
from rag.weights import find_weights, open_weights

SECTIONS = 150


class Recorder:
    """An ``Embedder`` that keeps the texts it was given."""

    def __init__(self, embedder: BundledEmbedder) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.embed_queries = embedder.embed_queries
        self._embedder = embedder
        self.texts: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's own."""
        self.texts += texts
        return self._embedder.embed_passages(texts)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sections", type=int, default=SECTIONS, help=f"how many are added ({SECTIONS})")
    parser.add_argument("--all", action="store_true", help="all 4,990: half an hour and more")
    options = parser.parse_args()
    result = measure(None if options.all else options.sections)
    show(result, as_json=options.json)
    return 0


def measure(sections: int | None) -> dict[str, float]:
    """Seconds and shares. Models are loaded before: that is no part of indexing."""
    if "GEUNGEO_DATA" not in os.environ:
        raise SystemExit("set GEUNGEO_DATA to the folder that holds law/easylaw.jsonl.gz")
    with gzip.open(Path(os.environ["GEUNGEO_DATA"]) / "law" / "easylaw.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    lines = lines[:: max(1, len(lines) // sections)][:sections] if sections else lines
    embedder, morphology = BundledEmbedder(open_weights(find_weights())), Morphology()
    recorder = Recorder(embedder)
    morphology.load()
    embedder.embed_passages(["한 번 불러 본다.", "두 번 불러 본다."])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "law.jsonl"
        rows = [json.loads(line) for line in lines]
        source.write_text(
            "\n".join(
                json.dumps({"id": f"law-{n}", "title": row["section"], "text": row["text"]}, ensure_ascii=False)
                for n, row in enumerate(rows)
            ),
            "utf-8",
        )
        with Assistant.open(Path(folder) / "index", embedder=recorder, morphology=morphology) as assistant:
            assistant.load()
            started = time.perf_counter()
            report = assistant.add(source)
            indexing_s = time.perf_counter() - started
            passages = len(assistant._store.keys())
    if report.failed:
        raise SystemExit(report.failed[0].error)
    encode_s, some = encoder_alone(embedder, recorder.texts)
    tokens = count_tokens(embedder, recorder.texts)
    encoder_rate = count_tokens(embedder, some) / encode_s
    return {
        "share_of_encoder": round(tokens / indexing_s / encoder_rate, 3),
        "tokens_per_s": round(tokens / indexing_s),
        "encoder_tokens_per_s": round(encoder_rate),
        "passages_per_s": round(passages / indexing_s, 1),
        "indexing_s": round(indexing_s, 1),
        "documents": len(report.added),
        "passages": passages,
        "texts": len(recorder.texts),
        "tokens": tokens,
    }


def encoder_alone(embedder: BundledEmbedder, texts: Sequence[str]) -> tuple[float, list[str]]:
    """Seconds to embed the texts, of very many an even sample, and which those were."""
    some = list(texts[:: max(1, len(texts) // 10_000)])
    started = time.perf_counter()
    embedder.embed_passages(some)
    return time.perf_counter() - started, some


def count_tokens(embedder: BundledEmbedder, texts: Sequence[str]) -> int:
    """Tokens that the encoder sees of the texts."""
    return sum(map(len, embedder.tokens(texts)))


if __name__ == "__main__":
    raise SystemExit(main())

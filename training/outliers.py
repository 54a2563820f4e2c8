"""Find the channels that are too large to be rounded with the others, for ``rag/outliers.py``.

    GEUNGEO_DATA=... python -m training.outliers

Runs the plain float32 model over 100 passages and 60 questions of mrc/train and notes how large each channel of the input of
each matrix becomes. The ``KEPT`` largest are those that are not rounded.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rag.sentence_models import load_plain
from rag.weights import find_weights, open_weights

PASSAGES, QUESTIONS, CHARACTERS = 100, 60, 300
KEPT = 16  # costs hardly more time than 3 (docs/architecture.md); 32 costs a tenth

Largest = dict[str, np.ndarray]  # matrix -> (channels,)
OUT = Path(__file__).resolve().parent.parent / "rag" / "outliers.py"
HEAD = '"""Channels of the bundled model that are not rounded. Made by ``python -m training.outliers``."""\n'


def main() -> int:
    """Measure, and write the module."""
    lines = (Path(os.environ["GEUNGEO_DATA"]) / "mrc" / "train.jsonl").read_text("utf-8").splitlines()
    sample = random.Random(0).sample([json.loads(line) for line in lines], PASSAGES + QUESTIONS)
    texts = [f"passage: {row['context'][:CHARACTERS]}" for row in sample[:PASSAGES]]
    largest = measure([*texts, *(f"query: {row['question']}" for row in sample[PASSAGES:])])
    rows = [f'    "{name}": {chosen},' for name, chosen in channels(largest).items()]
    OUT.write_text("\n".join([HEAD, "OUTLIERS: dict[str, list[int]] = {", *rows, "}", ""]), "utf-8")
    return 0


def measure(texts: Iterable[str]) -> Largest:
    """The largest absolute value of each channel, by the name of the (first) matrix that takes it."""
    model = load_plain(open_weights(find_weights()))
    largest = watch(model[0].bert.encoder.layer)
    for text in texts:
        model.encode([text], show_progress_bar=False)
    return largest


def watch(layers: Iterable[Any]) -> Largest:
    """From now on the largest absolute value that each channel took, by the name of the (first) matrix that takes it."""
    largest: Largest = {}

    def attach(name: str, module: torch.nn.Module) -> None:
        def hook(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            sizes = inputs[0].abs().amax((0, 1)).numpy()
            largest[name] = np.maximum(largest[name], sizes) if name in largest else sizes

        module.register_forward_pre_hook(hook)

    for number, layer in enumerate(layers):
        attach(f"l{number}.q", layer.attention.self.query)
        attach(f"l{number}.fi", layer.intermediate.dense)
        attach(f"l{number}.fo", layer.output.dense)
    return largest


def channels(largest: Largest) -> dict[str, list[int]]:
    """Those that are not rounded, by matrix."""
    return {name: sorted(np.argsort(-sizes)[:KEPT].tolist()) for name, sizes in largest.items()}


if __name__ == "__main__":
    raise SystemExit(main())

"""Figures of a reader on the groups that are held out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.batches import Batch, Data, Plan, batches_of, texts_of
from training.model import ReaderModel

MEASURED = 800  # of the held-out groups


@torch.no_grad()
def measure(
    data: Data, model: ReaderModel, device: torch.device, *, passages: int = 8, only: int | None = None
) -> dict[str, Any]:
    """Figures on the held-out groups, by source: the right passage first, exact spans in it, and both; and how well "none" is told."""
    model.eval()
    head = data.arrays["groups_head"]
    apart = [at for at, row in enumerate(head.tolist()) if row[3]]
    apart = random.Random(0).sample(apart, min(only or MEASURED, len(apart)))
    plan = Plan(0, 0, passages=passages)
    by: dict[str, list[tuple[float, ...]]] = {}
    none: dict[str, list[float]] = {"answerable": [], "missing": [], "removed": []}
    for group in apart:
        (batch,) = batches_of([texts_of(data, "groups", group, plan, None)])
        there = Batch(*(tensor.to(device) for tensor in batch))
        with torch.autocast(device.type, torch.bfloat16):
            read = model(there.ids, there.mask, there.inside)
        relevance = read.relevance.cpu().double().numpy()
        source = data.sources[head[group, 2]]
        right = batch.right.numpy()
        if not right.any():
            none["missing"].append(nothing(relevance))
            continue
        none["answerable"].append(nothing(relevance))
        if not right.all() and source != "boolq":
            none["removed"].append(nothing(relevance[~right]))
        hit, row = float(right[relevance.argmax()]), int(right.argmax())
        best, length = int(read.spans[row].argmax()), read.spans.shape[1]
        exact = float([best // length, best % length] == batch.spans[row].tolist())
        worded = batch.spans[row, 0] >= 0
        if worded:
            by.setdefault(source, []).append((hit, exact, hit * exact))
    model.train()
    figures: dict[str, Any] = {
        source: {
            "n": len(rows),
            **dict(zip(("hit", "exact", "both"), np.mean(rows, 0).round(4).tolist(), strict=True)),
        }
        for source, rows in by.items()
    }
    for kind in ("missing", "removed"):
        if none[kind]:
            figures[f"auc_{kind}"] = round(area(none["answerable"], none[kind]), 4)
    return figures


def nothing(relevance: npt.NDArray[np.float64]) -> float:
    """The logarithm of the odds that none of the passages answers."""
    return -float(np.log(np.exp(relevance).sum() + 1e-9))


def area(low: Sequence[float], high: Sequence[float]) -> float:
    """How often one of ``high`` is above one of ``low`` (Mann & Whitney 1947), ties as a half."""
    order = np.sort(low)
    below = np.searchsorted(order, high, "left")
    ties = np.searchsorted(order, high, "right") - below
    return float((below + ties / 2).sum() / (len(low) * len(high)))

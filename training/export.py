"""Trained runs to the weights that the library reads.

    python -m training.export RUN|FILE ... [--data .cache/reader] [--out rag/reader.safetensors]

Several runs, tuned from one start, become one by the mean of their weights (model soup, Wortsman et al. 2022): as good as their ensemble,
at the cost of one. So do a run and the weights it began with: what it learned is added, and less is forgotten (WiSE-FT, Wortsman et al.
2022). Weights are kept in half precision. The channels that are too large to be rounded (see ``rag.encoder``) are measured on training
text and written beside them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from rag.reader import FORMAT
from training.batches import Data, Plan, batches_of, texts_of
from training.model import HEAD_NAMES, ReaderModel, build, depth, load_weights, names
from training.outliers import channels, watch

SAMPLE = 60  # groups


def main(arguments: Sequence[str] | None = None) -> int:
    """Average, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or files of weights")
    parser.add_argument("--data", type=Path, default=Path(".cache") / "reader")
    parser.add_argument("--out", type=Path, default=Path("rag") / "reader.safetensors")
    options = parser.parse_args(arguments)
    data = Data(options.data)
    model = averaged(data, options.runs)
    state = model.state_dict()
    tensors = {
        short: np.ascontiguousarray(state[long].numpy(), dtype=np.float16)
        for short, long in (names(model.layers) | HEAD_NAMES).items()
    }
    about = {"layers": str(model.layers), "outliers": json.dumps(outliers(data, model)), "format": FORMAT}
    about["license"] = "CC-BY-SA-4.0; rag/reader.NOTICE says what it was learned from"
    save_file(tensors, options.out, metadata=about)
    print(
        f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {model.layers} layers, mean of {len(options.runs)}"
    )
    return 0


def averaged(data: Data, runs: Sequence[Path]) -> ReaderModel:
    """The mean of the weights of runs, and of files that were exported before."""
    layers = [depth(run) for run in runs]
    if len(set(layers)) > 1:
        raise SystemExit(f"not of as many layers: {layers}")
    model = build(data.arrays["words"], data.base, layers[0])
    states = []
    for run in runs:
        load_weights(model, run)
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(0)
        for name, tensor in states[0].items()
        if tensor.is_floating_point()
    }
    model.load_state_dict(mean, strict=False)
    return model.eval()


@torch.no_grad()
def outliers(data: Data, model: ReaderModel) -> dict[str, list[int]]:
    """The channels with the largest values at the input of each matrix, by its name."""
    largest = watch(model.bert.encoder.layer)
    head = data.arrays["groups_head"]
    trained = [at for at in range(len(head)) if not head[at, 3]]
    plan = Plan(epochs=0, rate=0, passages=2)
    for group in random.Random(0).sample(trained, min(SAMPLE, len(trained))):
        for text in texts_of(data, "groups", group, plan, None):  # one by one: padding has values of its own
            (batch,) = batches_of([[text]])
            size = len(text.ids)
            model(batch.ids[:, :size], batch.mask[:, :size], batch.inside[:, :size])
    return channels(largest)


if __name__ == "__main__":
    raise SystemExit(main())

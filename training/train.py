"""Train the reader: on clozes, then on questions.

    python -m training.train --stage pretrain --out RUN
    python -m training.train --stage tune --start RUN --out RUN2 [--recipe full|groups|spans] [--seed 1]

``--data`` is the folder that ``training.prepare`` made. The state is saved in the folder ``--out`` and taken up from there when the
same command is given again; ``--minutes`` ends a run early for that. Uses a GPU where there is one. Settings, losses and figures on
held-out questions are written to ``RUN/log.jsonl``.

Recipes: ``spans`` is plain fine-tuning (the span head alone, mrc/train, the passage with the answer); ``groups`` adds the listwise loss
over a question's passages, on mrc/train; ``full`` adds all other questions.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from training.batches import PLANS, Batch, Data, Plan, Steps, epochs, steps_of
from training.measure import measure
from training.model import FAR, LAYERS, ReaderModel, build, depth, load_weights, without_slow_chance


def loss_of(model: ReaderModel, batches: Sequence[Batch], groups: int, ranking: bool) -> tuple[Tensor, Tensor]:
    """The loss of the spans and that of the ranking, each a mean over groups.

    Spans: minus the log probability of the gold span within its passage. Ranking: minus the log of the share that the right passages
    have among all of the group and "none", whose score is 0 (where none is right it is "none" that counts); a half as much, each
    passage judged alone; and a fifth as much, whether words answer.
    """
    relevance, odds, gold = [], [], []
    for batch in batches:
        read = model(batch.ids, batch.mask, batch.inside)
        rows = torch.arange(len(batch.ids), device=batch.ids.device)
        gold.append(
            read.spans[rows, batch.spans[:, 0], batch.spans[:, 1]]
        )  # -1, -1 where there is none: left out below
        relevance.append(read.relevance)
        odds.append(read.wordless)
    scores, worded = torch.cat(relevance), torch.cat([batch.spans[:, 0] >= 0 for batch in batches]).float()
    right = torch.cat([batch.right for batch in batches]).float()
    spans = -(torch.cat(gold).clamp(min=-50) * worded).sum() / worded.sum().clamp(min=1)
    if not ranking:
        return spans, scores.sum() * 0
    table = scores.new_full((groups, len(scores) + 1), FAR)
    columns, group = torch.arange(len(scores), device=scores.device) + 1, torch.cat([batch.group for batch in batches])
    table[:, 0] = 0
    table[group, columns] = scores
    good = torch.zeros_like(table)
    good[group, columns] = right
    good[:, 0] = 1 - good.amax(1)
    listwise = (table.logsumexp(1) - table.masked_fill(good == 0, FAR).logsumexp(1)).mean()
    alone = functional.binary_cross_entropy_with_logits(scores, right)
    wordless = functional.binary_cross_entropy_with_logits(torch.cat(odds), 1 - worded, weight=right, reduction="sum")
    return spans, listwise + 0.5 * alone + 0.2 * wordless / right.sum().clamp(min=1)


def optimizer_of(
    model: ReaderModel, plan: Plan, total: int, device: torch.device
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, quicker for the heads; the rate rises over the first steps and falls to a fiftieth."""
    encoder = [p for name, p in model.named_parameters() if p.requires_grad and name.startswith("bert")]
    heads = [p for name, p in model.named_parameters() if p.requires_grad and not name.startswith("bert")]
    optimizer = torch.optim.AdamW(
        [{"params": encoder, "lr": plan.rate}, {"params": heads, "lr": plan.rate * plan.heads}],
        betas=(0.9, 0.98), weight_decay=plan.decay, fused=device.type == "cuda",
    )  # fmt: skip

    def rate(step: int) -> float:
        warm = max(1, int(plan.warm * total))
        return min((step + 1) / warm, max(0.02, (total - step) / max(1, total - warm)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def train(
    data: Data, model: ReaderModel, kind: str, plan: Plan, *,
    seed: int, out: Path, device: torch.device, micro: int, minutes: float | None, only: int | None,
) -> bool:  # fmt: skip
    """Train to the end of the plan or of the time. Returns whether the plan is done.

    Raises:
        SystemExit: ``out`` holds a run with other settings, another start or other data.

    """
    out.mkdir(parents=True, exist_ok=True)
    total = steps_of(data, kind, plan, only)
    run = repr((kind, plan, seed, only, total, data.checksum(), checksum(model)))
    optimizer, schedule = optimizer_of(model, plan, total, device)
    learned = [p for group in optimizer.param_groups for p in group["params"]]
    begun = 0
    state = out / "state.pt"
    if state.exists():
        saved = torch.load(state, map_location=device, weights_only=True)
        if saved["run"] != run:
            raise SystemExit(
                f"{state} is of a run with other settings, another start or other data; choose another --out"
            )
        model.load_state_dict(saved["model"], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        begun = int(saved["step"])
    torch.manual_seed(seed + begun)
    started, last = time.monotonic(), time.monotonic()
    sums, told = np.zeros(3), 0.0
    model.train()

    def save(step: int) -> None:
        tensors = {k: v for k, v in model.state_dict().items() if "word_embeddings" not in k}
        kept = {"model": tensors, "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "step": step}
        torch.save(kept | {"run": run}, state.with_suffix(".part"))
        state.with_suffix(".part").replace(state)  # a run that is killed here goes on from the last one

    steps = Steps(
        data, kind, plan, seed, micro, list(islice(epochs(data, kind, plan, seed, only), begun, total)), begun
    )
    workers: dict[str, Any] = (
        {"num_workers": 3, "prefetch_factor": 4, "pin_memory": True} if device.type == "cuda" else {}
    )
    for step, parts in enumerate(DataLoader(steps, batch_size=None, **workers), begun):
        groups = sum(count for count, _ in parts)
        for count, batches in parts:
            there = [Batch(*(tensor.to(device, non_blocking=True) for tensor in batch)) for batch in batches]
            with torch.autocast(device.type, torch.bfloat16):
                spans, ranking = loss_of(model, there, count, plan.ranking)
            ((spans + ranking) * (count / groups)).backward()
            if device.type != "cuda" or step % 20 == 0:  # to ask for a number is to wait for it
                sums += [float(spans.detach()) * count, float(ranking.detach()) * count, count]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        spent = time.monotonic() - started
        if ((step + 1) % 60 == 0 or spent - told > 60 or step + 1 == total) and sums[2]:
            line = {"stage": kind, "step": step + 1, "of": total, "spans": round(sums[0] / sums[2], 4),
                    "ranking": round(sums[1] / sums[2], 4), "seconds": round(spent, 1)}  # fmt: skip
            log(out, line)
            sums[:], told = 0, spent
        if time.monotonic() - last > 600:
            save(step + 1)
            last = time.monotonic()
        if minutes is not None and spent > 60 * minutes and step + 1 < total:
            save(step + 1)
            return False
    save(total)
    return True


def checksum(model: ReaderModel) -> int:
    """Of its weights but for the token embeddings, which stay."""
    total = 0
    for name, tensor in model.state_dict().items():
        if "word_embeddings" not in name:
            total = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), total)
    return total


def log(out: Path, line: dict[str, Any]) -> None:
    """Add a line to the log, and print it."""
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")
    print(json.dumps(line), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(".cache") / "reader")
    parser.add_argument("--stage", choices=("pretrain", "tune"), required=True)
    parser.add_argument("--recipe", choices=("spans", "groups", "full"), default="full")
    parser.add_argument("--start", type=Path, help="folder of the run to start from, or a file of weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, help=f"as many as the start has; {LAYERS} without one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--batch", type=int, help="groups a step")
    parser.add_argument("--passages", type=int, help="a group")
    parser.add_argument("--fresh", nargs="+", default=[], help="families of training/written, or sources: all of them,")
    parser.add_argument("--replay", type=float, help="and this share of the rest an epoch")
    parser.add_argument("--minutes", type=float, help="end after so long; the same command goes on")
    parser.add_argument("--micro", type=int, help="groups at once; the rest of a step follows (8 without a GPU)")
    parser.add_argument("--only", type=int, help="so many groups, for a trial")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = PLANS["pretrain" if options.stage == "pretrain" else options.recipe]
    changes = {
        name: value
        for name in ("epochs", "rate", "batch", "passages", "replay")
        if (value := getattr(options, name)) is not None
    }
    plan = Plan(**{**asdict(plan), **changes, "fresh": tuple(options.fresh)})
    if bool(options.fresh) != (options.replay is not None):
        parser.error("--fresh and --replay go together")
    torch.manual_seed(options.seed)
    data = Data(options.data)
    names = [*filter(None, data.families), *data.sources]
    if unknown := set(plan.fresh) - set(names):
        parser.error(f"no family or source {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    layers = options.layers or (depth(options.start) if options.start else LAYERS)
    model = build(data.arrays["words"], data.base, layers)
    if options.start:
        load_weights(model, options.start)
    model.to(device)
    if device.type == "cpu":
        without_slow_chance(model, options.seed)
    micro = options.micro or (plan.batch if device.type == "cuda" else 8)
    options.out.mkdir(parents=True, exist_ok=True)
    log(options.out, {"settings": {k: str(v) for k, v in vars(options).items()}, "plan": asdict(plan)})
    kind = "clozes" if options.stage == "pretrain" else "groups"
    done = train(
        data, model, kind, plan, seed=options.seed, out=options.out, device=device, micro=micro,
        minutes=options.minutes, only=options.only,
    )  # fmt: skip
    if done and kind == "groups" and data.arrays["groups_head"][:, 3].any():
        log(options.out, {"held_out": measure(data, model, device, only=options.only)})
    return 0 if done else 3


if __name__ == "__main__":
    raise SystemExit(main())

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
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from training.model import FAR, LAYERS, Arrays, ReaderModel, build, load_weights

BOS, EOS, PAD = 0, 2, 1
EPSILON = 1e-12
MEASURED = 800  # of the held-out groups, after a run
MRC = ("klue_mrc", "tydi_goldp")


@dataclass(frozen=True)
class Plan:
    """How a stage trains."""

    epochs: float
    rate: float  # of learning, at its highest
    heads: float = 5.0  # times the rate, for the heads
    batch: int = 48  # groups a step
    passages: int = 6  # a group
    warm: float = 0.06  # of the steps
    decay: float = 0.01
    noisy: float = 0.12  # of questions, typed carelessly
    removed: float = 0.12  # of questions, their answer taken away
    untitled: float = 0.15  # of groups, their titles taken away
    sources: tuple[str, ...] = ()  # all
    shares: tuple[tuple[str, float], ...] = ()  # of a source's groups in an epoch
    ranking: bool = True


PLANS = {
    "pretrain": Plan(epochs=2, rate=1.5e-4, passages=2, noisy=0, removed=0, batch=96),
    "spans": Plan(epochs=4, rate=1e-4, passages=1, sources=MRC, ranking=False, noisy=0, removed=0, untitled=0),
    "groups": Plan(epochs=4, rate=1e-4, sources=MRC),
    "full": Plan(epochs=4, rate=1e-4, shares=(("boolq", 0.3),)),
}


class Text(NamedTuple):
    """A question and a passage."""

    ids: npt.NDArray[np.int64]
    start: int  # of the passage
    right: bool  # it answers
    first: int  # tokens of the passage that do, -1 where no words are known
    last: int


class Batch(NamedTuple):
    """Texts of several groups, one under the other."""

    ids: Tensor  # (n, t)
    mask: Tensor
    inside: Tensor
    group: Tensor  # (n,), of each text
    right: Tensor  # (n,) bool
    spans: Tensor  # (n, 2), -1 where no words are known


class Data:
    """The arrays of ``training.prepare``."""

    def __init__(self, folder: Path) -> None:
        self.arrays: Arrays = dict(np.load(folder / "data.npz"))
        self.base: Arrays = dict(np.load(folder / "base.npz"))
        self.sources = [str(name) for name in self.arrays["sources"]]

    def row(self, table: str, at: int) -> np.ndarray:
        """Token ids."""
        bounds = self.arrays[f"{table}_at"]
        return np.asarray(self.arrays[table][bounds[at] : bounds[at + 1]])

    def members(self, kind: str, group: int, which: str) -> np.ndarray:
        """Passages of a group: "right" (n, 3) or "others" (n,)."""
        bounds = self.arrays[f"{kind}_{which}_at"]
        return np.asarray(self.arrays[f"{kind}_{which}"][bounds[group] : bounds[group + 1]])


def texts_of(data: Data, kind: str, group: int, plan: Plan, rng: random.Random | None) -> list[Text]:
    """The question with each passage to read; ``rng`` None: as it is, for measuring."""
    question, noisy, source, _ = data.arrays[f"{kind}_head"][group].tolist()
    right, others = data.members(kind, group, "right"), data.members(kind, group, "others")
    chosen: list[tuple[int, bool, int, int]] = []
    if rng is None:
        chosen = [(int(p), True, int(a), int(b)) for p, a, b in right[:1]]
        chosen += [(int(p), False, -1, -1) for p in others[: plan.passages - len(chosen)]]
    else:
        removed = len(right) and len(others) and data.sources[source] != "boolq" and rng.random() < plan.removed
        if len(right) and not removed:
            p, a, b = right[rng.randrange(len(right))].tolist()
            chosen = [(p, True, a, b)]
        wanted = plan.passages - len(chosen)
        first = 1 if data.sources[source] == "missing" else 0  # the passage that seems to answer is always among them
        near = others[first : 2 * plan.passages + 2].tolist()
        picked = [*others[:first].tolist(), *rng.sample(near, min(wanted - first, len(near)))]
        chosen += [(p, False, -1, -1) for p in picked]
        if rng.random() < plan.noisy:
            question = noisy
    untitled = rng is not None and rng.random() < plan.untitled
    asked = data.row("questions", question)
    made = []
    for p, is_right, a, b in chosen:
        title = data.row("titles", int(data.arrays["title_of"][p]))
        named = [] if untitled or not len(title) else [title, [EOS]]
        head = np.concatenate([[BOS], asked, [EOS, EOS], *named]).astype(np.int64)
        made.append(Text(np.concatenate([head, data.row("passages", p), [EOS]]), len(head), is_right, a, b))
    return made


def batches_of(groups: Sequence[list[Text]], chunks: int = 1) -> list[Batch]:
    """All passages of the groups, padded together; in several chunks of like lengths there is less to pad."""
    flat = sorted(((at, text) for at, texts in enumerate(groups) for text in texts), key=lambda one: len(one[1].ids))
    size = -(-len(flat) // chunks)
    return [_padded(flat[at : at + size]) for at in range(0, len(flat), size)]


def _padded(flat: Sequence[tuple[int, Text]]) -> Batch:
    length = max(len(text.ids) for _, text in flat)
    length += -length % 8
    ids = np.full((len(flat), length), PAD, np.int64)
    mask = np.zeros((len(flat), length), bool)
    inside = np.zeros((len(flat), length), bool)
    spans = np.full((len(flat), 2), -1, np.int64)
    for row, (_, text) in enumerate(flat):
        end = len(text.ids)
        ids[row, :end] = text.ids
        mask[row, :end] = True
        inside[row, text.start : end - 1] = True
        if text.first >= 0 and text.start + text.last < end - 1:
            spans[row] = (text.start + text.first, text.start + text.last)
    group, right = np.array([at for at, _ in flat]), np.array([text.right for _, text in flat])
    return Batch(*(torch.from_numpy(array) for array in (ids, mask, inside, group, right, spans)))


def loss_of(model: ReaderModel, batches: Sequence[Batch], groups: int, ranking: bool) -> tuple[Tensor, Tensor]:
    """The loss of the spans and that of the ranking, each a mean over groups.

    Spans: minus the log probability of the gold span within its passage. Ranking: minus the log of the share that the right passages
    have among all of the group and "none", whose score is 0 (where none is right it is "none" that counts); a half as much, each
    passage judged alone; and a fifth as much, whether words answer.
    """
    relevance, whole, gold = [], [], []
    for batch in batches:
        read = model(batch.ids, batch.mask, batch.inside)
        rows = torch.arange(len(batch.ids), device=batch.ids.device)
        gold.append(
            read.spans[rows, batch.spans[:, 0], batch.spans[:, 1]]
        )  # -1, -1 where there is none: left out below
        relevance.append(read.relevance)
        whole.append(read.whole)
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
    wordless = functional.binary_cross_entropy_with_logits(torch.cat(whole), 1 - worded, weight=right, reduction="sum")
    return spans, listwise + 0.5 * alone + 0.2 * wordless / right.sum().clamp(min=1)


def epochs(data: Data, kind: str, plan: Plan, seed: int, only: int | None) -> Iterator[list[int]]:
    """Steps without end: the groups of each."""
    head = data.arrays[f"{kind}_head"]
    shares = dict(plan.shares)
    keep = [
        at for at, (_, _, source, apart) in enumerate(head.tolist())
        if not apart and (not plan.sources or data.sources[source] in plan.sources)
    ][:only]  # fmt: skip
    if not keep:
        raise ValueError("there is nothing to train on")
    rng = random.Random(seed)
    while True:
        some = [at for at in keep if rng.random() < shares.get(data.sources[head[at, 2]], 1.0)] or keep
        rng.shuffle(some)
        whole = max(len(some) - len(some) % plan.batch, min(len(some), plan.batch))  # of a few groups, the few
        for first in range(0, whole, plan.batch):
            yield some[first : first + plan.batch]


def steps_of(data: Data, kind: str, plan: Plan, only: int | None) -> int:
    """How many steps the plan takes."""
    head = data.arrays[f"{kind}_head"]
    shares = dict(plan.shares)
    total = sum(
        shares.get(data.sources[source], 1.0)
        for _, _, source, apart in head.tolist()
        if not apart and (not plan.sources or data.sources[source] in plan.sources)
    )
    return max(1, int(min(total, only or total) / plan.batch * plan.epochs))


def train(
    data: Data, model: ReaderModel, kind: str, plan: Plan, *,
    seed: int, out: Path, device: torch.device, micro: int, minutes: float | None, only: int | None,
) -> bool:  # fmt: skip
    """Train to the end of the plan or of the time. Returns whether the plan is done."""
    out.mkdir(parents=True, exist_ok=True)
    total = steps_of(data, kind, plan, only)
    encoder = [p for name, p in model.named_parameters() if p.requires_grad and name.startswith("bert")]
    heads = [p for name, p in model.named_parameters() if p.requires_grad and not name.startswith("bert")]
    optimizer = torch.optim.AdamW(
        [{"params": encoder, "lr": plan.rate}, {"params": heads, "lr": plan.rate * plan.heads}],
        betas=(0.9, 0.98), weight_decay=plan.decay, fused=device.type == "cuda",
    )  # fmt: skip

    def rate(step: int) -> float:
        warm = max(1, int(plan.warm * total))
        return min((step + 1) / warm, max(0.02, (total - step) / max(1, total - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    begun = 0
    state = out / "state.pt"
    if state.exists():
        saved = torch.load(state, map_location=device, weights_only=True)
        if saved["plan"] != repr((plan, seed, only, total)):
            raise SystemExit(f"{state} is of a run with other settings or data; choose another --out")
        model.load_state_dict(saved["model"], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        begun = int(saved["step"])
    torch.manual_seed(seed + begun)
    started, last = time.monotonic(), time.monotonic()
    sums = np.zeros(3)
    model.train()

    def save(step: int) -> None:
        tensors = {k: v for k, v in model.state_dict().items() if "word_embeddings" not in k}
        kept = {"model": tensors, "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "step": step}
        torch.save(kept | {"plan": repr((plan, seed, only, total))}, state.with_suffix(".part"))
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
        torch.nn.utils.clip_grad_norm_([*encoder, *heads], 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        spent = time.monotonic() - started
        if (step + 1) % 60 == 0 or step + 1 == total:
            line = {"stage": kind, "step": step + 1, "of": total, "spans": round(sums[0] / max(1, sums[2]), 4),
                    "ranking": round(sums[1] / max(1, sums[2]), 4), "seconds": round(spent, 1)}  # fmt: skip
            log(out, line)
            sums[:] = 0
        if time.monotonic() - last > 600 and device.type != "cuda":
            save(step + 1)
            last = time.monotonic()
        if minutes is not None and spent > 60 * minutes and step + 1 < total:
            save(step + 1)
            return False
    save(total)
    return True


class Steps(Dataset[list[tuple[int, list[Batch]]]]):
    """The batches of each step: in parts of ``micro`` groups, each in chunks of like lengths."""

    def __init__(
        self, data: Data, kind: str, plan: Plan, seed: int, micro: int, groups: Sequence[list[int]], begun: int
    ) -> None:
        self._data, self._kind, self._plan, self._seed, self._micro = data, kind, plan, seed, micro
        self._groups, self._begun = groups, begun

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, at: int) -> list[tuple[int, list[Batch]]]:
        rng = random.Random(f"{self._seed} {at + self._begun}")
        texts = [texts_of(self._data, self._kind, group, self._plan, rng) for group in self._groups[at]]
        texts.sort(key=lambda some: max(len(text.ids) for text in some))
        parts = [texts[first : first + self._micro] for first in range(0, len(texts), self._micro)]
        return [(len(part), batches_of(part, 3)) for part in parts]


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
        hit, exact = float(right[relevance.argmax()]), float("nan")
        row = int(right.argmax())
        if batch.spans[row, 0] >= 0:
            best, length = int(read.spans[row].argmax()), read.spans.shape[1]
            exact = float([best // length, best % length] == batch.spans[row].tolist())
        by.setdefault(source, []).append((hit, exact, hit * exact))
    model.train()
    figures: dict[str, Any] = {
        source: {
            "n": len(rows),
            **dict(zip(("hit", "exact", "both"), np.nanmean(rows, 0).round(4).tolist(), strict=True)),
        }
        for source, rows in by.items()
        if source != "boolq"
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


def log(out: Path, line: dict[str, Any]) -> None:
    """Add a line to the log, and print it."""
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(".cache") / "reader")
    parser.add_argument("--stage", choices=("pretrain", "tune"), required=True)
    parser.add_argument("--recipe", choices=("spans", "groups", "full"), default="full")
    parser.add_argument("--start", type=Path, help="folder of the run to start from, or a file of weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--batch", type=int, help="groups a step")
    parser.add_argument("--minutes", type=float, help="end after so long; the same command goes on")
    parser.add_argument("--micro", type=int, help="groups at once; the rest of a step follows (4 without a GPU)")
    parser.add_argument("--only", type=int, help="so many groups, for a trial")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = PLANS["pretrain" if options.stage == "pretrain" else options.recipe]
    changes = {name: value for name in ("epochs", "rate", "batch") if (value := getattr(options, name)) is not None}
    plan = Plan(**{**asdict(plan), **changes})
    torch.manual_seed(options.seed)
    data = Data(options.data)
    model = build(data.arrays["words"], data.base, options.layers, EPSILON)
    if options.start and options.start.is_file():
        load_weights(model, options.start)
    elif options.start:
        saved = torch.load(options.start / "state.pt", map_location="cpu", weights_only=True)["model"]
        kept = {k: v for k, v in saved.items() if k in model.state_dict()}
        model.load_state_dict(kept, strict=False)
    model.to(device)
    micro = options.micro or (plan.batch if device.type == "cuda" else 4)
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

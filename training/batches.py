"""The arrays of ``training.prepare``, as batches: what a plan reads in a step."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rag.reader import head_of
from training.model import Arrays

BOS, EOS, PAD = 0, 2, 1
CHUNKS = 3  # of texts of like lengths, read one after the other
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
    fresh: tuple[str, ...] = ()  # families of written questions, and sources: all of them in an epoch,
    replay: float = 1.0  # and this share of the rest
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
        self.families = [str(name) for name in self.arrays["families"]]

    def family(self, kind: str, group: int) -> str:
        """The files of written questions that a group is of; "" where it is of none."""
        return self.families[int(self.arrays[f"{kind}_family"][group])]

    def checksum(self) -> int:
        """Of all arrays."""
        total = 0
        for name in sorted(self.arrays):
            total = zlib.crc32(np.ascontiguousarray(self.arrays[name]).tobytes(), total)
        return total

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
        head = head_of(asked.tolist(), [] if untitled else title.tolist(), BOS, EOS)
        ids = np.array([*head, *data.row("passages", p).tolist(), EOS], np.int64)
        made.append(Text(ids, len(head), is_right, a, b))
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


def share_of(data: Data, kind: str, plan: Plan, group: int) -> float:
    """How much of the group an epoch holds, from 0 to 1."""
    _, _, number, apart = data.arrays[f"{kind}_head"][group].tolist()
    source = data.sources[number]
    if apart or (plan.sources and source not in plan.sources):
        return 0.0
    old = plan.fresh and data.family(kind, group) not in plan.fresh and source not in plan.fresh
    return dict(plan.shares).get(source, 1.0) * (plan.replay if old else 1.0)


def shares_of(data: Data, kind: str, plan: Plan, only: int | None) -> dict[int, float]:
    """The groups to train on, with their shares."""
    shares = {at: share_of(data, kind, plan, at) for at in range(len(data.arrays[f"{kind}_head"]))}
    return dict(islice(((at, share) for at, share in shares.items() if share), only))


def epochs(data: Data, kind: str, plan: Plan, seed: int, only: int | None) -> Iterator[list[int]]:
    """Steps without end: the groups of each."""
    shares = shares_of(data, kind, plan, only)
    if not shares:
        raise ValueError("there is nothing to train on")
    rng = random.Random(seed)
    while True:
        some = [at for at, share in shares.items() if rng.random() < share] or list(shares)
        rng.shuffle(some)
        whole = max(len(some) - len(some) % plan.batch, min(len(some), plan.batch))  # of a few groups, the few
        for first in range(0, whole, plan.batch):
            yield some[first : first + plan.batch]


def steps_of(data: Data, kind: str, plan: Plan, only: int | None) -> int:
    """How many steps the plan takes."""
    return max(1, int(sum(shares_of(data, kind, plan, only).values()) / plan.batch * plan.epochs))


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
        return [(len(part), batches_of(part, CHUNKS)) for part in parts]

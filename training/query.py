"""Teach the encoder's question side to point at answering sentences. The document side stays as it is.

    python -m training.query PREPARED.npz OUT.safetensors [--epochs 4]

Only a low-rank addition to the linear layers is learned (LoRA, Hu et al. 2021), used when a question is embedded and not when
a document is: libraries stay valid, and a question costs what it cost. Questions are short, so an epoch takes two minutes on
two cores. The loss is the softmax over *all* sentences, and over all passages, of the training text: no negatives to choose.
A tenth of the documents is held out; its figures are printed after every epoch, and the best epoch is written.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from rag.embedding import QUERY_PROMPT, BundledEncoder
from rag.weights import find_weights, open_weights

TEMPERATURE = 0.02
RATE = 3e-4
BATCH = 32
LAYERS = ("query", "key", "value", "dense")


class LowRank(nn.Module):
    """A linear layer, frozen, and a low-rank addition to it."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / rank**0.5 * 0.1)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """X (..., in) -> (..., out)."""
        return self.linear(x) + (x @ self.down.T) @ self.up.T


def adapt(encoder: BundledEncoder, rank: int, skip: int) -> dict[str, LowRank]:
    """Put a ``LowRank`` in the place of every linear layer but those of the first ``skip`` layers."""
    added = {}
    for name, module in list(encoder.bert.named_modules()):
        if not name.startswith("encoder.layer.") or int(name.split(".")[2]) < skip:
            continue
        for child, linear in list(module.named_children()):
            if child in LAYERS and isinstance(linear, nn.Linear):
                added[f"{name}.{child}"] = LowRank(linear, rank)
                setattr(module, child, added[f"{name}.{child}"])
    return added


def embed(encoder: BundledEncoder, texts: list[str]) -> Tensor:
    """(n, 384) unit rows."""
    features = encoder.preprocess(texts, prompt=QUERY_PROMPT)
    tokens = encoder.bert(input_ids=features["input_ids"], attention_mask=features["attention_mask"]).last_hidden_state
    mask = features["attention_mask"].unsqueeze(-1)
    return functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)


def main() -> int:
    """Train, print a line an epoch, write the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--skip", type=int, default=0, help="layers left as they are, from below")
    parser.add_argument("--anchor", type=float, default=1.0, help="weight of staying near the question's own vector")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    data = np.load(options.prepared)
    encoder = BundledEncoder(open_weights(find_weights()))
    questions = [str(q) for q in data["questions"]]
    order = sorted(range(len(questions)), key=lambda i: len(questions[i]))
    before = torch.zeros(len(questions), 384)
    with torch.inference_mode():
        for at in range(0, len(order), 64):
            before[order[at : at + 64]] = embed(encoder, [questions[i] for i in order[at : at + 64]])
    before = before.clone()
    bench = Bench(data, options.seed)
    print("before", bench.figures(before), flush=True)
    added = adapt(encoder, options.rank, options.skip)
    parameters = [p for module in added.values() for p in (module.down, module.up)]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    steps = options.epochs * (len(bench.train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.1)
    best, step, started = 0.0, 0, time.monotonic()
    for epoch in range(options.epochs):
        random.shuffle(bench.train)
        for at in range(0, len(bench.train) - BATCH + 1, BATCH):
            batch = bench.train[at : at + BATCH]
            vectors = embed(encoder, [questions[i] for i in batch])
            loss = bench.loss(vectors, batch) + options.anchor * (1 - (vectors * before[batch]).sum(1)).mean() * 10
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            step += 1
            if step % 10 == 0:
                print(
                    f"\r{step}/{steps} loss {loss.item():.3f} {time.monotonic() - started:.0f} s",
                    end="",
                    file=sys.stderr,
                )
        after = before.clone()
        with torch.inference_mode():
            held = sorted(bench.held, key=lambda i: len(questions[i]))
            for at in range(0, len(held), 64):
                after[held[at : at + 64]] = embed(encoder, [questions[i] for i in held[at : at + 64]])
        figures = bench.figures(after)
        score = sum(v for k, v in figures.items() if k.endswith("1"))
        print(f"\nepoch {epoch + 1}", figures, f"{time.monotonic() - started:.0f} s", flush=True)
        if score > best:
            best = score
            tensors = {}
            for name, module in added.items():
                tensors[f"{name}.down"] = module.down.detach().half().contiguous()
                tensors[f"{name}.up"] = module.up.detach().half().contiguous()
            save_file(tensors, options.out)
    return 0


class Bench:
    """The training text as tensors, its loss and the figures of the held-out tenth."""

    def __init__(self, data: np.lib.npyio.NpzFile, seed: int) -> None:
        self.passages = torch.from_numpy(data["passages"].astype(np.float32))
        self.sentences = torch.from_numpy(data["sentences"].astype(np.float32))
        self.sentence_passage = torch.from_numpy(data["sentence_passage"])
        self.source, self.document = data["source"], data["document"]
        self.passage_document = torch.from_numpy(data["passage_document"])
        self.sentence_document = self.passage_document[self.sentence_passage]
        self.gold: dict[int, list[int]] = {}
        for question, sentence in data["gold"].tolist():
            self.gold.setdefault(question, []).append(sentence)
        held = np.random.default_rng(seed).random(int(self.document.max()) + 1) < 0.1
        self.held = [i for i in self.gold if held[self.document[i]]]
        self.train = [i for i in self.gold if not held[self.document[i]]]
        # Held-out documents are no negatives either.
        self.known = torch.from_numpy(~held[self.sentence_document.numpy()])
        self.known_passages = torch.from_numpy(~held[self.passage_document.numpy()])

    def loss(self, vectors: Tensor, batch: list[int]) -> Tensor:
        """Mean over questions of -log P(gold sentence), within all and within the own document, and -log P(gold passage)."""
        scores = (vectors @ self.sentences.T / TEMPERATURE).masked_fill(~self.known, -1e4)
        passage_scores = (vectors @ self.passages.T / TEMPERATURE).masked_fill(~self.known_passages, -1e4)
        whole, own, passage = torch.logsumexp(scores, 1), [], torch.logsumexp(passage_scores, 1)
        losses = []
        for row, question in enumerate(batch):
            gold = self.gold[question]
            right = torch.logsumexp(scores[row, gold], 0)
            own = torch.logsumexp(scores[row, self.sentence_document == int(self.document[question])], 0)
            right_passage = torch.logsumexp(passage_scores[row, self.sentence_passage[gold].unique()], 0)
            losses.append((whole[row] - right) + (own - right) + (passage[row] - right_passage))
        return torch.stack(losses).mean()

    def figures(self, vectors: Tensor) -> dict[str, float]:
        """Of held-out questions: right sentence first / in three, in its document and in all; right passage first."""
        sums: dict[str, list[bool]] = {}
        for question in self.held:
            name = str(self.source[question])[:4]
            scores = self.sentences @ vectors[question]
            gold = torch.tensor(self.gold[question])
            own = torch.nonzero(self.sentence_document == int(self.document[question]))[:, 0]
            ranked = own[torch.argsort(-scores[own])]
            sums.setdefault(f"{name} own@1", []).append(bool(torch.isin(ranked[:1], gold).any()))
            sums.setdefault(f"{name} own@3", []).append(bool(torch.isin(ranked[:3], gold).any()))
            sums.setdefault(f"{name} all@1", []).append(bool(torch.isin(scores.argmax(), gold)))
            best = (self.passages @ vectors[question]).argmax()
            sums.setdefault(f"{name} passage@1", []).append(bool(torch.isin(best, self.sentence_passage[gold])))
        return {key: round(sum(values) / len(values), 3) for key, values in sorted(sums.items())}


if __name__ == "__main__":
    raise SystemExit(main())

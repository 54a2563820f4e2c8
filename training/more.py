"""Go on training the reader on questions of one's own.

    python -m training.more FILE ... [--out my-reader.safetensors] [--epochs 3]

FILE is in SQuAD format (1.1 or 2.0; questions without an answer teach it to decline). Its documents are cut and searched as the library
does, the shipped reader is tuned on the questions, and the new weights are written to ``--out``. Beside them it learns as many of the
project's own questions again, a third of them without an answer, so that it forgets less; before and after it is measured on texts
of the project that it never learned from. ``GEUNGEO_READER=FILE`` makes the library read with the new weights; how sure it is of an
answer is reckoned as for the shipped reader. On two cores some 10 minutes a thousand questions and epoch, all counted; the same
command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from evals.datasets import DatasetError, both
from rag.reader import FILE
from training import export, prepare, train
from training.batches import Data
from training.measure import measure
from training.model import build, depth, load_weights
from training.sources import squad_sources

BESIDE = 1000  # questions of the project's own, at most


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, measure, tune, export. Returns 1 for files that cannot be learned from, 3 where time was up before the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("my-reader.safetensors"))
    parser.add_argument("--work", type=Path, default=Path(".cache") / "my-reader", help="what is made on the way")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--beside", type=int, help=f"of the project's questions; as many as yours, {BESIDE} at most")
    parser.add_argument("--measured", type=int, default=200, help="of its held-out ones")
    parser.add_argument("--minutes", type=float, help="end after so long; the same command goes on")
    options = parser.parse_args(arguments)
    try:
        sources = squad_sources(options.files)
        if not sources.asked:
            raise DatasetError(both(options.files[0], "질문이 없습니다", "there are no questions"))
        if not options.out.parent.is_dir():
            raise DatasetError(both(options.out.parent, "그런 폴더가 없습니다", "there is no such folder"))
        beside = min(len(sources.asked), BESIDE) if options.beside is None else options.beside
        return _train(options, len(sources.asked), beside)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1


def _train(options: argparse.Namespace, asked: int, beside: int) -> int:
    digest = hashlib.sha256()
    for path in [FILE, *options.files]:
        digest.update(path.read_bytes())
    digest.update(repr((options.epochs, options.rate, beside, options.measured)).encode())
    work = options.work / digest.hexdigest()[:12]  # other files or settings are another run
    data, run = work / "data", work / "run"
    if not (data / "data.npz").exists():
        prepare.main([
            "--out", str(data), "--squad", *map(str, options.files),
            "--beside", str(beside), "--measured", str(options.measured),
        ])  # fmt: skip
    tables = Data(data)
    of_files = sum(not tables.family("groups", at) for at in range(len(tables.arrays["groups_head"])))
    if not of_files:
        korean = "질문마다 답이 너무 길거나 한 대목에 다 들지 않아 배울 것이 없습니다"
        raise DatasetError(both(options.files[0], korean, "every answer is too long or goes over the end of a passage"))
    _say(
        f"질문 {asked}개 가운데 {of_files}개를 배웁니다(나머지는 답이 너무 길거나 한 대목에 다 들지 않습니다).",
        f"Learns {of_files} of {asked} questions (the answers of the others are too long or go over the end of a passage).",
    )
    before = _figures(tables, FILE) if options.measured else {}
    done = train.main([
        "--stage", "tune", "--data", str(data), "--start", str(FILE), "--out", str(run),
        "--epochs", str(options.epochs), "--rate", str(options.rate), "--batch", "16",
        *(["--minutes", str(options.minutes)] if options.minutes else []),
    ])  # fmt: skip
    if done != 0:
        _say(
            "시간이 되어 멈췄습니다. 같은 명령을 다시 실행하면 이어집니다.",
            "Time is up. Give the same command again to go on.",
        )
        return done
    if before:
        after = json.loads((run / "log.jsonl").read_text("utf-8").splitlines()[-1])["held_out"]
        korean, english = _told(before, after)
        _say(korean, english)
    return export.main([str(run), "--data", str(data), "--out", str(options.out)])


def _figures(data: Data, weights: Path) -> dict[str, Any]:
    model = build(data.arrays["words"], data.base, depth(weights))
    load_weights(model, weights)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return measure(data, model.to(device), device)


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str]:
    """What became of the questions that it never learned from: both languages."""

    def of(figures: Mapping[str, Any]) -> tuple[int, float, float]:
        groups = [group for group in figures.values() if isinstance(group, Mapping)]
        count = sum(group["n"] for group in groups)
        exact = sum(group["n"] * group["exact"] for group in groups) / max(1, count)
        return count, exact, float(figures.get("auc_missing", float("nan")))

    (count, exact, told), (_, exact_after, told_after) = of(before), of(after)
    return (
        f"배우지 않은 글의 질문 {count}개에서 똑같은 말을 짚음: 전 {exact:.1%}, 후 {exact_after:.1%}. "
        f"답이 없는 질문을 가려냄(AUC): 전 {told:.3f}, 후 {told_after:.3f}.",
        f"Exact words on {count} questions about texts never learned from: {exact:.1%} before, {exact_after:.1%} after. "
        f"Telling questions without an answer (AUC): {told:.3f} before, {told_after:.3f} after.",
    )


def _say(korean: str, english: str) -> None:
    print(f"{korean}\n{english}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

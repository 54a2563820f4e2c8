"""Go on training the reader on questions of one's own.

    python -m training.more FILE ... [--out my-reader.safetensors] [--epochs 3]

FILE is in SQuAD format (1.1 or 2.0; questions without an answer teach it to decline). Its documents are cut and searched as the library
does, the shipped reader is tuned on the questions, and the new weights are written to ``--out``. ``GEUNGEO_READER=FILE`` makes the
library read with them; their confidence is the shipped reader's, which ``training.fit`` fits anew. On two cores some 10 minutes a
thousand questions and epoch; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from rag.reader import FILE, layers_of
from training import export, prepare, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, tune, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("my-reader.safetensors"))
    parser.add_argument("--work", type=Path, default=Path(".cache") / "my-reader", help="what is made on the way")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=5e-5)
    options = parser.parse_args(arguments)
    digest = hashlib.sha256()
    for path in [FILE, *options.files]:
        digest.update(path.read_bytes())
    digest.update(repr((options.epochs, options.rate)).encode())
    work = options.work / digest.hexdigest()[:12]  # other files or settings are another run
    data, run = work / "data", work / "run"
    if not (data / "data.npz").exists():
        prepare.main(["--out", str(data), "--squad", *map(str, options.files)])
    train.main([
        "--stage", "tune", "--data", str(data), "--start", str(FILE), "--layers", str(layers_of(FILE)), "--out", str(run),
        "--epochs", str(options.epochs), "--rate", str(options.rate), "--batch", "16",
    ])  # fmt: skip
    return export.main([str(run), "--data", str(data), "--out", str(options.out)])


if __name__ == "__main__":
    raise SystemExit(main())

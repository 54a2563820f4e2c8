"""Go on training the reader on questions of one's own.

    python -m training.more FILE ... [--out my-reader.safetensors] [--epochs 3]

FILE is in SQuAD format (1.1 or 2.0; questions without an answer teach it to decline). Its documents are cut and searched as the library
does, the shipped reader is tuned on the questions, and the new weights are written to ``--out``. ``GEUNGEO_READER=FILE`` makes the
library read with them; how sure it is of an answer is reckoned as for the shipped reader. On two cores some 10 minutes a
thousand questions and epoch; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from evals.datasets import DatasetError, both
from rag.reader import FILE
from training import export, prepare, train
from training.sources import squad_sources


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, tune, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("my-reader.safetensors"))
    parser.add_argument("--work", type=Path, default=Path(".cache") / "my-reader", help="what is made on the way")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--minutes", type=float, help="end after so long; the same command goes on")
    options = parser.parse_args(arguments)
    try:
        sources = squad_sources(options.files)
        if not sources.asked:
            raise DatasetError(both(options.files[0], "질문이 없습니다", "there are no questions"))
        if not options.out.parent.is_dir():
            raise DatasetError(both(options.out.parent, "그런 폴더가 없습니다", "there is no such folder"))
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    digest = hashlib.sha256()
    for path in [FILE, *options.files]:
        digest.update(path.read_bytes())
    digest.update(repr((options.epochs, options.rate)).encode())
    work = options.work / digest.hexdigest()[:12]  # other files or settings are another run
    data, run = work / "data", work / "run"
    if not (data / "data.npz").exists():
        prepare.main(["--out", str(data), "--squad", *map(str, options.files)])
    done = train.main([
        "--stage", "tune", "--data", str(data), "--start", str(FILE), "--out", str(run),
        "--epochs", str(options.epochs), "--rate", str(options.rate), "--batch", "16",
        *(["--minutes", str(options.minutes)] if options.minutes else []),
    ])  # fmt: skip
    if done != 0:
        return done
    return export.main([str(run), "--data", str(data), "--out", str(options.out)])


if __name__ == "__main__":
    raise SystemExit(main())

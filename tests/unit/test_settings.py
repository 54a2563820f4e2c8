"""Settings: defaults, then the environment, then what is given."""

from __future__ import annotations

import pytest

from rag.settings import Settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "QUERY_PROMPT", "PASSAGE_PROMPT", "LANGUAGE", "CHUNK_SIZE"):
        monkeypatch.delenv(f"GEUNGEO_{name}", raising=False)


def test_defaults() -> None:
    assert Settings.from_environment() == Settings()
    settings = Settings()
    assert (settings.model, settings.language, settings.chunk_size) == ("multilingual-e5-small", "ko", 300)
    assert (settings.max_question, settings.max_file_mb) == (2_000, 64)


def test_the_environment_comes_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODEL": "m", "QUERY_PROMPT": "q: ", "PASSAGE_PROMPT": "", "LANGUAGE": "en"}.items():
        monkeypatch.setenv(f"GEUNGEO_{name}", value)
    found = Settings.from_environment()
    assert found == Settings(model="m", query_prompt="q: ", passage_prompt="", language="en")


def test_what_is_given_comes_first_unless_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEUNGEO_MODEL", "m")
    assert Settings.from_environment(model="n", chunk_size=100) == Settings(model="n", chunk_size=100)
    assert Settings.from_environment(model=None, chunk_size=None) == Settings(model="m")


def test_other_settings_have_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEUNGEO_CHUNK_SIZE", "100")
    assert Settings.from_environment().chunk_size == 300


@pytest.mark.parametrize("language", ["fr", "", "KO"])
def test_an_unknown_language_is_korean(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("GEUNGEO_LANGUAGE", language)
    assert Settings.from_environment().language == "ko"


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Settings.from_environment(colour="red")

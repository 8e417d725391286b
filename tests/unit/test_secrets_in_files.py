"""Secrets of settings that stand in files which the environment names."""

from pathlib import Path

import pytest

from rag.errors import ConfigError
from rag.settings import load

SECRETS = ["RAG_API_KEY", "RAG_ENGINE__API_KEY", "RAG_SERVER__REDIS_URL"]


def value(name: str) -> tuple[str, str]:
    """The secret, and the source that `rag config` names."""
    loaded = load()
    path = name.removeprefix("RAG_").lower().split("__")
    found: object = loaded.settings
    for part in path:
        found = getattr(found, part)
    source = next(each.source for each in loaded.describe() if each.name == ".".join(path))
    return found.get_secret_value(), source  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_the_environment_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    assert value(name) == ("s3cret", "environment")

    monkeypatch.delenv(f"{name}_FILE")
    monkeypatch.setenv(name, "other")
    assert value(name) == ("other", "environment")


@pytest.mark.parametrize(
    ("file", "also", "words"),
    [
        ("nothing", None, "cannot be read"),
        ("empty", None, "is empty"),
        ("secret", "other", "Both RAG_API_KEY_FILE and RAG_API_KEY are set"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, also: str | None, words: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "secret").write_text("s3cret")
    monkeypatch.setenv("RAG_API_KEY_FILE", str(tmp_path / file))
    if also:
        monkeypatch.setenv("RAG_API_KEY", also)
    with pytest.raises(ConfigError, match=words) as caught:
        load()
    assert "s3cret" not in str(caught.value)


def test_only_secrets_may_stand_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_SERVER__PORT_FILE", str(tmp_path))
    with pytest.raises(ConfigError, match="RAG_SERVER__PORT_FILE"):
        load()

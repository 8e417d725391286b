"""Which files are found, under which names, and what is said of the others."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest import local as local_module
from ingest.scan import Scan, scan
from rag.errors import ConfigError


def make(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def look(*paths: Path) -> Scan:
    return scan(paths, max_file_bytes=100)


def found(result: Scan) -> list[tuple[str, str]]:
    return [(Path(each.root).name, each.path) for each in result.found]


def test_documents_are_paths_below_the_root_in_a_fixed_order(tmp_path: Path) -> None:
    make(tmp_path / "docs", {"b.md": "x", "a/z.md": "x", "a/b/c.txt": "x", "with space/ü.md": "x"})
    result = look(tmp_path / "docs")
    assert sorted(found(result)) == [
        ("docs", "a/b/c.txt"),
        ("docs", "a/z.md"),
        ("docs", "b.md"),
        ("docs", "with space/ü.md"),
    ]
    assert found(result) == found(look(tmp_path / "docs"))
    assert not result.skipped
    assert not result.failed
    assert result.roots == [str(tmp_path / "docs")]
    assert result.covers(str(tmp_path / "docs"), "vanished.md")
    assert not result.covers(str(tmp_path), "vanished.md")


def test_a_file_is_a_document_of_its_folder_and_covers_only_itself(tmp_path: Path) -> None:
    make(tmp_path, {"a.md": "x", "b.md": "x"})
    result = look(tmp_path / "a.md")
    assert found(result) == [(tmp_path.name, "a.md")]
    assert result.covers(str(tmp_path), "a.md")
    assert not result.covers(str(tmp_path), "b.md")


def test_paths_named_twice_are_found_once(tmp_path: Path) -> None:
    make(tmp_path / "docs", {"a.md": "x"})
    for paths in (["docs", "docs/"], ["docs", "docs/a.md"], ["docs/a.md", "docs"]):
        assert found(look(*(tmp_path / path for path in paths))) == [("docs", "a.md")]


def test_the_same_file_under_two_roots_is_two_documents(tmp_path: Path) -> None:
    make(tmp_path / "docs", {"sub/a.md": "x"})
    assert found(look(tmp_path / "docs", tmp_path / "docs/sub")) == [("docs", "sub/a.md"), ("sub", "a.md")]


def test_a_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope.*Name a file or a folder"):
        look(tmp_path / "nope")


def test_what_is_skipped_and_why(tmp_path: Path) -> None:
    make(
        tmp_path,
        {".git/config": "x", ".env": "x", "__pycache__/a.py": "x", "node_modules/b.js": "x", "c.7z": "x", "d.md": ""},
    )
    os.mkfifo(tmp_path / "pipe.md")
    result = look(tmp_path)
    assert {each.path: each.reason.split(":")[0] for each in result.skipped} == {
        ".env": "ignored by rule",
        ".git": "ignored by rule",
        "__pycache__": "ignored by rule",
        "node_modules": "ignored by rule",
        "c.7z": "not a document type (.7z)",
        "d.md": "empty",
        "pipe.md": "not a regular file",
    }
    assert not result.found
    assert not result.failed


def test_links_are_followed_only_to_files_inside(tmp_path: Path) -> None:
    make(tmp_path / "docs", {"a/x.md": "x"})
    make(tmp_path, {"secret.md": "x"})
    links = {"inside.md": "a/x.md", "out.md": "../secret.md", "up": "..", "loop": "loop", "a/self": ".", "gone.md": "?"}
    for name, target in links.items():
        (tmp_path / "docs" / name).symlink_to(target)
    result = look(tmp_path / "docs")
    assert sorted(path for _, path in found(result)) == ["a/x.md", "inside.md"]
    assert {each.path for each in result.skipped} == {"out.md", "up", "loop", "a/self", "gone.md"}
    (tmp_path / "link").symlink_to("docs")
    assert found(look(tmp_path / "link")) == found(result)


def test_large_files_and_odd_names_fail_and_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path, {"a.md": "x", "large.md": "x" * 101, "limit.md": "x" * 100})
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("x")
    result = look(tmp_path)
    assert [path for _, path in found(result)] == ["a.md", "limit.md"]
    failed = {each.path: each.reason for each in result.failed}
    assert "101 bytes, ingest.max_file_bytes is 100" in failed["large.md"]
    assert "not UTF-8" in failed[r"caf\xe9.md"]
    assert not result.covers(str(tmp_path), "large.md")


def test_known_documents_of_a_folder_that_cannot_be_listed_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {"open/a.md": "x", "closed/b.md": "x"})
    listing = os.scandir

    def refuse(path: Path) -> object:  # the tests may run as root, whom no mode keeps out
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(local_module.os, "scandir", refuse)
    result = look(tmp_path)
    assert [path for _, path in found(result)] == ["open/a.md"]
    assert [each.path for each in result.failed] == ["closed/"]
    assert not result.covers(str(tmp_path), "closed/b.md")
    assert result.covers(str(tmp_path), "open/b.md")

"""Which files are left out: hidden ones, what ignore files say, what the command says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.ignore import make_ignores
from ingest.scan import Scan, scan


def look(root: Path, files: Mapping[str, str], *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Scan:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return scan([root], max_file_bytes=100, ignores=make_ignores(include, exclude), data_dir=root / "data")


def found(result: Scan) -> list[str]:
    return sorted(each.path for each in result.found)


def skipped(result: Scan) -> dict[str, str]:
    return {each.path: each.reason for each in result.skipped}


def test_an_ignore_file_holds_below_its_folder_and_the_innermost_decides(tmp_path: Path) -> None:
    files = {
        ".ragignore": "# drafts are not ready\ndrafts/\n*.log\n/top.md\n",
        "drafts/a.md": "x",
        "a/drafts/b.md": "x",
        "top.md": "x",
        "a/top.md": "x",
        "a/x.log": "x",
        "b/.ragignore": "!keep.log\nsecret*\n",
        "b/keep.log": "x",
        "b/other.log": "x",
        "b/c/secret.md": "x",
        "secret.md": "x",
    }
    result = look(tmp_path, files)
    assert found(result) == ["a/top.md", "b/keep.log", "secret.md"]
    reasons = skipped(result)
    assert reasons["drafts"] == reasons["a/drafts"] == reasons["b/other.log"] == "ignored by .ragignore"
    assert reasons["b/c/secret.md"] == "ignored by b/.ragignore"
    assert not any(path.endswith(".ragignore") for path in reasons)


def test_hidden_files_are_left_out_unless_an_ignore_file_takes_them_back(tmp_path: Path) -> None:
    files = {".github/a.md": "x", ".git/b.md": "x", "node_modules/c.md": "x", "a/.d.md": "x", "e.md": "x"}
    assert found(look(tmp_path, files)) == ["e.md"]
    assert found(look(tmp_path, {".ragignore": "!.github/"})) == [".github/a.md", "e.md"]


def test_included_and_excluded_patterns_are_below_the_root(tmp_path: Path) -> None:
    files = {"a.md": "x", "b.txt": "x", "guide/c.md": "x", "guide/d.txt": "x", "drafts/e.md": "x", ".ragignore": ""}
    assert found(look(tmp_path, files, include=("*.md",))) == ["a.md", "drafts/e.md", "guide/c.md"]
    result = look(tmp_path, {}, include=("guide/", "/a.md"), exclude=("*.txt",))
    assert found(result) == ["a.md", "guide/c.md"]
    assert skipped(result) == {"b.txt": "excluded", "drafts/e.md": "not included", "guide/d.txt": "excluded"}
    (tmp_path / ".ragignore").write_text("!drafts/")
    assert found(look(tmp_path, {}, exclude=("drafts/", "*.txt"))) == ["a.md", "guide/c.md"]


@pytest.mark.parametrize("content", [b"ok\nbroken\\\n", b"\xff\xfe"])
def test_a_folder_whose_ignore_file_is_broken_fails_and_keeps_its_documents(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.ragignore").write_bytes(content)
    result = look(tmp_path, {"a/x.md": "x", "b.md": "x"})
    assert found(result) == ["b.md"]
    (failed,) = result.failed
    assert failed.path == "a/"
    assert ".ragignore cannot be understood" in failed.reason
    assert not result.covers(str(tmp_path), "a/x.md")


def test_the_data_directory_is_no_document(tmp_path: Path) -> None:
    result = look(tmp_path, {"a.md": "x", "data/collections/x.json": "x"})
    assert found(result) == ["a.md"]
    assert "data directory" in skipped(result)["data"]
    assert [each.path for each in scan([tmp_path / "data"], max_file_bytes=9, data_dir=tmp_path / "data").found] == [
        "collections/x.json"
    ]


def test_a_file_of_attributes_stands_beside_its_document_and_is_none(tmp_path: Path) -> None:
    result = look(tmp_path, {"a.pdf": "x", "a.pdf.meta.yaml": "k: v", "b.md": "x", "lone.md.meta.yaml": "k: v"})
    assert {each.path: each.beside and each.beside.path for each in result.found} == {
        "a.pdf": "a.pdf.meta.yaml",
        "b.md": None,
    }
    assert set(skipped(result)) == {"a.pdf.meta.yaml", "lone.md.meta.yaml"}
    (alone,) = scan([tmp_path / "a.pdf"], max_file_bytes=9).found
    assert alone.beside is not None

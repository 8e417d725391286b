"""Ingesting from shared storage does what ingesting a folder does: memory, MinIO and moto under one contract."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ingest.pipeline import Summary, ingest
from ingest.scan import Refused
from rag.embed import FakeEncoder
from rag.errors import ConfigError, StorageUnavailable
from rag.settings import IngestSettings
from rag.store import Store

FILES = {
    "a.md": "# A\n\nText of a.\n",
    "sub folder/ü.md": "# B\n\nText of b, in a folder.\n",
    "sub folder/secret.md": "# C\n\nNobody takes this.\n",
    "sub folder/.ragignore": "secret.md\n",
    "sub folder/ü.md.meta.yaml": "year: 2026\n",
    "empty.md": "",
    "picture.7z": "no document",
    ".hidden/x.md": "hidden",
}


class Files:
    """A folder in shared storage, as somebody else fills it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.system, self.path = fsspec.core.url_to_fs(url, use_listings_cache=False)

    def write(self, path: str, text: str) -> None:
        self.system.pipe_file(f"{self.path}/{path}", text.encode())

    def remove(self, path: str) -> None:
        self.system.rm_file(f"{self.path}/{path}")


@pytest.fixture(params=["memory", "minio", "moto"])
def files(request: pytest.FixtureRequest) -> Iterator[Files]:
    fixtures = {"minio": "s3_bucket", "moto": "moto_bucket"}
    name = fixtures.get(request.param)
    base = request.getfixturevalue(name) if name else f"memory://{secrets.token_hex(4)}"
    made = Files(f"{base}/docs")
    for path, text in FILES.items():
        made.write(path, text)
    return made


Take = Callable[..., Summary]


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Take]:
    store = Store(tmp_path / "data")
    settings = IngestSettings(max_file_bytes=1000, workers=1)

    def run(*paths: str, **options: Any) -> Summary:
        return ingest(paths, collection="c", store=store, encoder=FakeEncoder(), settings=settings, **options)

    run.store = store  # type: ignore[attr-defined]
    yield run
    store.close()


def counts(done: Summary) -> tuple[int, ...]:
    return done.new, done.changed, done.moved, done.unchanged, done.removed, len(done.failed), done.embedded


def test_the_same_plan_and_apply_as_of_a_folder(files: Files, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    if files.url.startswith("s3"):
        whole = type(files.system)._cat_file

        async def counted(self: Any, path: str, *args: Any, **options: Any) -> bytes:
            read.append(path.rpartition("/")[2])
            return bytes(await whole(self, path, *args, **options))

        monkeypatch.setattr(type(files.system), "_cat_file", counted)
    first = take(files.url)
    assert counts(first) == (2, 0, 0, 0, 0, 0, 2)
    assert len(read) == len(set(read))  # each once, to be hashed and to be read
    assert {each.path: each.reason.partition(":")[0] for each in first.skipped} == {
        ".hidden": "ignored by rule",
        "empty.md": "empty",
        "picture.7z": "not a document type (.7z)",
        "sub folder/secret.md": "ignored by sub folder/.ragignore",
        "sub folder/ü.md.meta.yaml": "attributes of the file beside it",
    }
    with take.store.pin("c") as generation:  # type: ignore[attr-defined]
        assert generation.roots() == (files.url,)
        found = {each.path: dict(each.attributes) for each in generation.files().values()}
    assert found == {"a.md": {}, "sub folder/ü.md": {"year": 2026}}

    read.clear()  # memory has only times, and these files are not old enough to trust them
    second = take(files.url + "/")
    assert counts(second) == (0, 0, 0, 2, 0, 0, 0)
    assert second.generation == first.generation
    assert set(read) <= {".ragignore"}

    files.write("a.md", "# A\n\nAnother text of a.\n")
    files.write("moved.md", FILES["sub folder/ü.md"])
    files.write("moved.md.meta.yaml", FILES["sub folder/ü.md.meta.yaml"])
    files.remove("sub folder/ü.md")
    files.write("large.md", "x" * 1001)
    third = take(files.url)
    assert counts(third) == (0, 1, 1, 0, 0, 1, 1)
    assert "1001 bytes, ingest.max_file_bytes is 1000" in third.failed[0].reason
    files.remove("moved.md")
    assert counts(take(files.url)) == (0, 0, 0, 1, 1, 1, 0)


def test_files_are_fetched_side_by_side_and_what_comes_of_it_is_the_same(
    moto_bucket: str, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, folder = Files(f"{moto_bucket}/docs"), tmp_path / "docs"
    folder.mkdir()
    for number in range(40):
        text = f"# File {number}\n\nText {number % 7}.\n" + "x" * (number % 3) * 600  # some are over the limit
        (folder / f"{number}.md").write_text(text)
        files.write(f"{number}.md", text)
        if number % 5 == 0:
            (folder / f"{number}.md.meta.yaml").write_text(f"number: {number}\n")
            files.write(f"{number}.md.meta.yaml", f"number: {number}\n")
    files.write("gone.md", "It is listed, and cannot be had.")
    whole, fetching, peak, enough = type(files.system)._cat_file, 0, 0, asyncio.Event()

    async def counted(self: Any, path: str, *args: Any, **options: Any) -> bytes:
        nonlocal fetching, peak
        fetching += 1
        peak = max(peak, fetching)
        if peak >= 4:
            enough.set()
        await asyncio.wait_for(enough.wait(), 60)  # one after the other they would wait for ever
        try:
            if path.endswith("gone.md"):
                raise FileNotFoundError(path)
            return bytes(await whole(self, path, *args, **options))
        finally:
            fetching -= 1

    monkeypatch.setattr(type(files.system), "_cat_file", counted)
    there, here = take(files.url), take(str(folder))
    assert 4 <= peak <= 16
    assert [(each.path, each.reason) for each in there.failed if each.path == "gone.md"] == [
        ("gone.md", "it vanished while it was read")
    ]
    assert [each for each in _told(there.failed) if each[0] != "gone.md"] == _told(here.failed)
    assert len(here.failed) == 13
    with take.store.pin("c") as generation:  # type: ignore[attr-defined]
        assert generation.known(files.url) == generation.known(str(folder))
        ours, theirs = (
            [each for each in generation.files().values() if each.root == root] for root in generation.roots()
        )
        assert [each.attributes for each in ours] == [each.attributes for each in theirs]


def _told(refused: Iterable[Refused]) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in refused]


def test_one_file_is_a_document_of_its_folder(files: Files, take: Take) -> None:
    assert counts(take(f"{files.url}/a.md")) == (1, 0, 0, 0, 0, 0, 1)
    assert counts(take(files.url)) == (1, 0, 0, 1, 0, 0, 1)


def test_an_empty_place_is_wrong_usage_and_costs_no_document(files: Files, take: Take) -> None:
    take(files.url)
    with pytest.raises(ConfigError, match=r"nothing stands below it. Correct it"):
        take(files.url + "-not")
    for path in FILES:
        files.remove(path)
    with pytest.raises(ConfigError, match=r"rag collections delete"):
        take(files.url)
    assert take.store.collection("c").documents == 2  # type: ignore[attr-defined]


def test_keys_that_are_no_paths_are_left_out_and_named(moto_bucket: str, take: Take) -> None:
    files = Files(f"{moto_bucket}/docs")
    for key in ("docs/x//y.md", "docs/y/../z.md", "docs/folder/"):
        files.system.call_s3("put_object", Bucket=files.path.partition("/")[0], Key=key, Body=b"text")
    files.write("a.md", "text")
    done = take(files.url)
    reasons = {each.path: each.reason for each in done.skipped}
    assert (done.new, set(reasons)) == (1, {"x//y.md", "y/../z.md"})
    assert reasons["x//y.md"] == "its name is no path: rename it"


def test_wrong_credentials_a_missing_bucket_and_no_network_are_told_in_one_line(
    moto_bucket: str, s3_bucket: str, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    with pytest.raises(ConfigError, match=r"nothing stands below it"):
        take("s3://there-is-no-such-bucket/docs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageUnavailable, match=r"the store refuses .*AWS_ACCESS_KEY_ID") as refused:
        take(f"{s3_bucket}/docs")
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageUnavailable, match=r"Could not connect.*Check the network") as gone:
        take(f"{s3_bucket}/docs")
    assert "\n" not in str(gone.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://AKIA:secret@bucket/docs", "carries credentials"),
        ("https://host/docs?X-Amz-Signature=secret", "carries credentials"),
        ("gs://", "names no place"),
        ("zip://docs::s3://bucket/all.zip", "names no place"),
        ("nothing://bucket/docs", "Protocol not known"),
    ],
)
def test_urls_that_are_refused(take: Take, url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        take(url)
    assert "secret" not in str(refused.value)


def test_a_file_url_is_the_folder_itself(take: Take, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a b.md").write_text("text")
    assert take(f"file://{tmp_path}/docs").new == 1
    assert take(str(tmp_path / "docs")).unchanged == 1

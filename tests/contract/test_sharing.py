"""Collections pushed and pulled: memory, a folder, MinIO and moto under one contract."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from rag.embed import FakeEncoder
from rag.errors import RagError, StorageUnavailable
from rag.sharing import Outcome, Sharing
from rag.sharing.bucket import Bucket, _create
from rag.sharing.release import Part, release_name
from rag.store import Copies, Document, EmbeddingInfo, Exchange, NewChunk, Rules, Store, TopicFile
from rag.types import Anchor, ChunkId, CollectionId


class Cut(Exception):
    """Stands for the end of a process."""


class CutBucket(Bucket):
    """Ends after so many operations, before or behind the next one."""

    left = 10**9
    behind = False

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut

    def put(self, source: BinaryIO, key: str, *, sha256: str) -> Part:
        self._count()
        return super().put(source, key, sha256=sha256)

    def create(self, release: Any) -> bool:
        self._count()
        done = super().create(release)
        self._count()
        return done

    def get(self, part: Part, target: Path) -> None:
        self._count()
        super().get(part, target)


class Machine:
    """A data directory that shares its collections."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.store = Store(self.data)
        self.exchange = Exchange(self.data)
        self.bucket = CutBucket(url)
        self.sharing = Sharing(self.exchange, self.bucket, self.store.delete)

    def ingest(self, **files: str) -> int:
        """The generation with these documents, too."""
        encoder = FakeEncoder()
        info = encoder.info
        embedding = EmbeddingInfo(model=info.model, dimensions=info.dimensions, dtype=info.dtype)
        with self.store.draft("c", embedding) as draft:
            draft.set_rules(Rules(exclude=("draft*",)))
            for name, text in files.items():
                digest = hashlib.sha256(text.encode()).hexdigest()
                document = Document(
                    root="/docs", path=f"{name}.md", title=None, sha256=digest, size=len(text), recipe="", text=text
                )
                chunk = NewChunk(start=0, end=len(text), anchor=Anchor())
                draft.put(document, [chunk], encoder.encode_documents([text]))
            return draft.publish()

    def sync(self, **ways: Any) -> Outcome:
        (found,) = self.sharing.sync(**ways)
        return found

    def texts(self) -> set[str]:
        with self.store.pin("c") as generation:
            return {chunk.text for chunk in generation.ordered_chunks()}

    def problems(self) -> list[object]:
        return list(Copies(self.data).verify("c"))


Make = Callable[[str], Machine]


@pytest.fixture(params=["memory", "file", "minio", "moto"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory://{secrets.token_hex(4)}/shared"
    if request.param == "file":
        return f"file://{tmp_path}/shared"
    bucket = request.getfixturevalue({"minio": "s3_bucket", "moto": "moto_bucket"}[request.param])
    return f"{bucket}/shared"


@pytest.fixture
def make(tmp_path: Path, url: str) -> Iterator[Make]:
    made: list[Machine] = []

    def machine(name: str) -> Machine:
        made.append(Machine(tmp_path / name, url))
        return made[-1]

    yield machine
    for each in made:
        each.store.close()


def objects(machine: Machine, folder: str) -> list[str]:
    with machine.bucket._using("be listed") as (system, base):
        return sorted(name.removeprefix(f"{base}/") for name in system.find(f"{base}/{folder}"))


def seen_alike(one: Machine, two: Machine, name: str) -> bool:
    """Whether both have the same collection; each tells when it was published there."""
    mine, theirs = one.store.collection(name), two.store.collection(name)
    return replace(theirs, published_at=mine.published_at) == mine


def test_what_one_machine_pushes_others_have(make: Make) -> None:
    one, two = make("one"), make("two")
    one.ingest(a="Text of a.", b="Text of b.")
    assert (one.sync().what, one.sync().what) == ("pushed", "same")
    assert (two.sync().what, two.sync().what) == ("pulled", "same")
    assert seen_alike(one, two, "c")
    assert two.store.rules("c") == one.store.rules("c")
    assert (two.texts(), two.problems()) == (one.texts(), [])

    one.ingest(b="Another text of b.")
    one.store.rename("c", "renamed")
    with two.store.pin("c") as before:
        assert one.sync().what == "pushed"
        assert two.sync(push=False).generation == 2
        assert "Text of b." in {chunk.text for chunk in before.ordered_chunks()}  # as it was pinned
    assert seen_alike(one, two, "renamed")

    two.store.rename("renamed", "c")  # the other way, without a file of the generation
    n_files = len(objects(one, "data"))
    assert (two.sync().what, one.sync().what) == ("pushed", "pulled")
    assert one.store.collection("c").generation == 2
    assert len(objects(one, "data")) <= n_files
    for number in range(3):
        one.ingest(a=f"Text of a, {number}.")
        assert one.sync().what == "pushed"
    assert len(objects(one, "releases")) == 2  # older ones and their files are collected
    assert len({name.split("/")[2] for name in objects(one, "data")}) <= 2
    assert (two.sync().what, two.texts()) == ("pulled", one.texts())


@pytest.mark.parametrize("url", ["memory", "moto"], indirect=True)
def test_two_that_push_never_mix_and_the_second_is_told(make: Make) -> None:
    one, two, three = make("one"), make("two"), make("three")
    one.ingest(a="Text of a.")
    one.sync()
    two.sync()
    one.ingest(a="Text of a by one.")
    one.ingest(b="Text of b by one.")
    two.ingest(a="Text of a by two.")
    assert one.sync().what == "pushed"
    lost = two.sync()
    assert lost.what == "failed"
    assert (
        "changed here and in shared storage since they were the same. `rag collections pull c --replace` takes theirs"
        in str(lost.error)
    )
    assert two.sync(pull=False).what == "failed"
    assert "by two" in " ".join(two.texts())  # nothing here was touched
    assert (three.sync().what, three.texts()) == ("pulled", one.texts())
    assert two.sync(push=False, replace_local=True).what == "pulled"
    assert (two.texts(), two.problems()) == (one.texts(), [])
    two.ingest(a="Text of a by two.")
    assert (two.sync().what, one.sync().what) == ("pushed", "pulled")
    assert one.texts() == two.texts() >= {"Text of a by two."}


@pytest.mark.parametrize(
    ("url", "knows_conditions"), [("memory", True), ("file", True), ("moto", True), ("minio", False)], indirect=["url"]
)
def test_of_two_releases_of_one_number_one_is_there(make: Make, knows_conditions: bool) -> None:
    one = make("one")
    one.ingest(a="Text of a.")
    one.sync()
    (collection,) = one.exchange.ids()
    release = one.bucket.release(collection, 1)
    first, second = replace(release, number=2, generation=2), replace(release, number=2, generation=3)
    assert one.bucket.create(first)
    assert not one.bucket.create(second)
    assert one.bucket.release(collection, 2) == first
    with one.bucket._using("be written") as (system, base):  # the same moment: both have looked, and found none
        path = f"{base}/{release_name(collection, 2)}"
        if knows_conditions:
            with pytest.raises(FileExistsError):
                _create(system, path, second.as_bytes())
        else:
            _create(system, path, second.as_bytes())
    assert one.bucket.release(collection, 2) == (first if knows_conditions else second)


@pytest.mark.parametrize("url", ["file"], indirect=True)
def test_an_end_at_any_moment_leaves_whole_generations_and_the_next_run_finishes(make: Make, tmp_path: Path) -> None:
    one, two = make("one"), make("two")
    one.ingest(a="Text of a.")
    one.sync()
    two.sync()
    pushed = one.texts()
    one.ingest(a="Another text of a.", b="Text of b.")
    ends = 0
    for left in range(20):
        one.bucket.left = left
        try:
            assert one.sync().what in {"pushed", "same"}
            break
        except Cut:
            ends += 1
        now = make(f"look{left}")
        assert now.sync().what == "pulled"
        assert now.texts() in (pushed, one.texts())  # the last cut is behind the release
        assert now.problems() == []
    assert ends >= 4

    old = two.texts()
    for left in range(20):
        two.bucket.left = 1 if left else 0  # each run gets one file further
        try:
            outcome = two.sync()
            break
        except Cut:
            assert (two.texts(), two.problems()) == (old, [])
    assert (outcome.what, two.texts(), two.problems()) == ("pulled", one.texts(), [])
    assert 3 <= left < 8
    assert not list((two.data / "collections").glob(".pull-*"))


@pytest.mark.parametrize("url", ["memory"], indirect=True)
@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "no release", "newer", "escape"])
def test_a_broken_release_is_never_opened(make: Make, damage: str) -> None:
    one, two = make("one"), make("two")
    one.ingest(a="Text of a.")
    one.sync()
    two.sync()
    old = two.texts()
    one.ingest(a="Another text of a.")
    one.sync()
    with one.bucket._using("be written") as (system, base):
        (release,) = (name for name in system.find(f"{base}/releases") if name.endswith("2.json"))
        (catalog,) = (name for name in system.find(f"{base}/data") if "00002-" in name and "catalog" in name)
        data, said = system.cat_file(catalog), json.loads(system.cat_file(release))
        match damage:
            case "cut":
                system.pipe_file(catalog, data[:-1])
            case "changed":
                system.pipe_file(catalog, data[:-1] + bytes([data[-1] ^ 1]))
            case "gone":
                system.rm_file(catalog)
            case "no release":
                system.pipe_file(release, system.cat_file(release)[:100])
            case "newer":
                system.pipe_file(release, json.dumps({**said, "format": 2, "prefixrag": "99"}).encode())
            case "escape":
                said["files"]["../../escape"] = said["files"]["catalog.db"]
                system.pipe_file(release, json.dumps(said).encode())
    outcome = two.sync()
    assert (outcome.what, two.texts(), two.problems()) == ("failed", old, [])
    assert isinstance(outcome.error, StorageUnavailable)
    assert "\n" not in str(outcome.error)
    assert not list(two.folder.rglob("escape"))
    if damage not in {"no release", "newer", "escape"}:  # of those nobody knows what they replace
        one.ingest(a="A third text of a.")
        one.sync()
        assert (two.sync().what, two.texts()) == ("pulled", one.texts())


@pytest.mark.parametrize("url", ["memory", "minio"], indirect=True)
def test_a_deleted_collection_goes_away_everywhere(make: Make) -> None:
    one, two = make("one"), make("two")
    one.ingest(a="Text of a.")
    one.sync()
    two.sync()
    one.store.delete("c")
    assert one.sharing.sync(push=False) == []  # it does not come back
    one.sharing.tell()
    assert one.exchange.unshared() == {}
    assert two.sync().what == "deleted"
    assert two.store.collections() == ()
    assert (objects(one, "data"), [name.rpartition(".")[2] for name in objects(one, "releases")]) == ([], ["deleted"])
    assert one.sharing.sync() == two.sharing.sync() == []


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_frozen_topics_are_the_first_ones_chosen(make: Make) -> None:
    one, two, three = make("one"), make("two"), make("three")
    one.ingest(a="Text of a.")
    one.sync()
    two.sync()
    (collection,) = one.exchange.ids()

    def topics(machine: Machine) -> TopicFile:
        return TopicFile(machine.data, collection, "abc")

    topics(one).write([[ChunkId("first")]])
    topics(two).write([[ChunkId("second")]])  # two services serve the new generation at once
    assert one.sync().what == "pushed"
    assert two.sync().what == "pulled"
    assert topics(two).read() == topics(one).read() == (("first",),)
    topics(two).write([[ChunkId("other")]])  # an engine of another size wants others: that stays its own matter
    assert (two.sync().what, one.sync().what) == ("same", "same")
    one.ingest(a="Another text of a.")
    one.sync()
    topics(one).write([[ChunkId("first")], [ChunkId("next")]])
    assert (one.sync().what, three.sync().what) == ("pushed", "pulled")
    assert topics(three).read() == topics(one).read()


def test_credentials_are_wrong_or_the_store_is_gone(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    one = Machine(tmp_path / "one", f"{s3_bucket}/shared")
    one.ingest(a="Text of a.")
    for name, value, why in (
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret", "the store refuses"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "Check the network"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            s3fs.S3FileSystem.clear_instance_cache()
            with pytest.raises(RagError, match=why) as error:
                one.sync()
        assert "wrong-secret" not in str(error.value)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageUnavailable, match=r"the bucket is not there"):
        Machine(tmp_path / "two", "s3://there-is-no-such-bucket/x").sharing.sync()
    assert one.sync().what == "pushed"
    one.store.close()


def test_ids_that_are_none_are_not_listed(tmp_path: Path) -> None:
    bucket = Bucket(f"file://{tmp_path}")
    for name in ("vs_a.000000000001.json", "vs_a.1.json", "../vs_b.deleted", "x.deleted", ".vs_c.deleted.tmp"):
        (tmp_path / "releases").mkdir(exist_ok=True)
        (tmp_path / "releases" / name).write_text("")
    assert set(bucket.listing()) == {CollectionId("vs_a")}

"""API keys: what is stored, who is recognised, when a key ends, and `rag keys`."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.auth import Keys, KeyState, Scope, expiry, iso
from rag.cli.frame import run
from rag.errors import ConfigError, CorpusError, NotFound
from rag.store import CollectionInfo, Document, EmbeddingInfo, Grant, KeyLimits, KeyRecord, KeyStore, NewChunk, Store
from rag.types import Anchor

NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> list[float]:
    """The time, to be moved."""
    return [NOW]


@pytest.fixture
def open_keys(tmp_path: Path, clock: list[float]) -> Iterator[Callable[[], Keys]]:
    """Opens the keys as another process would."""
    opened = []

    def start() -> Keys:
        opened.append(Keys(KeyStore(tmp_path), clock=lambda: clock[0]))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_key_is_recognised_and_says_what_it_may(open_keys) -> None:
    keys = open_keys()
    limits = KeyLimits(requests_per_minute=3, concurrent=1)
    record, key = keys.create(
        "bot", group="support", collections=[Grant(name="docs", id="vs_1")], scopes=[Scope.CHAT], limits=limits
    )
    assert re.fullmatch(r"rag_[0-9a-f]{12}_[0-9a-f]{64}", key)
    caller = keys.verify(key)
    assert caller is not None
    assert (caller.group, caller.key_id, caller.limits) == ("support", record.id, limits)
    assert (caller.may(Scope.CHAT), caller.may(Scope.EMBEDDINGS), caller.may(Scope.ADMIN)) == (True, False, False)


def test_no_secret_is_stored(open_keys, tmp_path: Path) -> None:
    _, key = open_keys().create("bot")
    secret = key.rsplit("_", 1)[1]
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("keys.db*"))
    assert secret.encode() not in stored
    assert bytes.fromhex(secret) not in stored
    assert {file.stat().st_mode & 0o077 for file in tmp_path.glob("keys.db*")} == {0}


@pytest.mark.parametrize("damage", [lambda key: key[:-1], lambda key: key + "0", lambda key: key.replace("_", "-")])
def test_what_is_not_the_key_opens_nothing(open_keys, damage) -> None:
    keys = open_keys()
    _, key = keys.create("bot")
    assert keys.verify(damage(key)) is None
    assert keys.verify(key) is not None


@pytest.mark.parametrize("token", ["", "rag", "rag_", "rag__", "rag_a_", "none", "sk-123", "rag_ü_\udcff", "local_1"])
def test_what_is_no_key_opens_nothing(open_keys, token) -> None:
    assert open_keys().verify(token) is None


def test_the_secret_of_one_key_does_not_open_another(open_keys) -> None:
    keys = open_keys()
    first, _ = keys.create("first")
    _, second_key = keys.create("second")
    assert keys.verify(f"rag_{first.id}_{second_key.rsplit('_', 1)[1]}") is None


class CountedStore(KeyStore):
    """A store that notes what it is asked."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.asked: list[str] = []

    def digest(self, key_id: str) -> bytes | None:
        self.asked.append("digest")
        return super().digest(key_id)

    def find(self, key_id: str) -> KeyRecord | None:
        self.asked.append("find")
        return super().find(key_id)


def test_a_wrong_secret_takes_the_same_work_whether_or_not_there_is_a_key(tmp_path: Path) -> None:
    store = CountedStore(tmp_path)
    keys = Keys(store)
    record, _ = keys.create("bot")
    for token in (f"rag_{record.id}_wrong", "rag_unknown_wrong", "no key at all", ""):
        store.asked.clear()
        assert keys.verify(token) is None
        assert store.asked == ["digest"]
    keys.close()


def test_a_key_expires(open_keys, clock) -> None:
    keys = open_keys()
    record, key = keys.create("bot", expires_at=int(NOW) + 60)
    clock[0] = NOW + 59.9
    assert keys.verify(key) is not None
    clock[0] = NOW + 60
    assert keys.verify(key) is None
    assert keys.state(record) is KeyState.EXPIRED


def test_what_another_process_does_counts_at_once(open_keys) -> None:
    service, command = open_keys(), open_keys()
    assert not service.exist()
    record, key = command.create("bot")
    assert service.exist()
    assert service.verify(key) is not None
    command.revoke(record.id)
    assert service.verify(key) is None
    assert service.exist()  # a revoked key does not open the service to all


def test_revoking_twice_keeps_the_first_time_and_a_leaked_key_will_do(open_keys, clock) -> None:
    keys = open_keys()
    record, key = keys.create("bot")
    assert keys.revoke(key).revoked is None
    clock[0] += 60
    assert keys.revoke(record.id).revoked == int(NOW)
    with pytest.raises(NotFound, match="no key 'nobody'"):
        keys.revoke("nobody")


@pytest.mark.parametrize(("name", "group"), [("", "default"), (" ", "default"), ("a\nb", "default"), ("a", "x" * 257)])
def test_a_name_that_cannot_be_one_is_refused(open_keys, name, group) -> None:
    with pytest.raises(ConfigError, match="cannot be"):
        open_keys().create(name, group=group)


def test_a_damaged_file_is_told_and_opens_nothing(open_keys, tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(CorpusError, match=r"keys\.db"):
        open_keys().verify("rag_a_b")


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("90s", NOW + 90),
        ("12h", NOW + 12 * 3600),
        ("30d", NOW + 30 * 86400),
        ("2w", NOW + 14 * 86400),
        ("2027-12-31", 1830211200),
        ("2027-12-31T18:30", 1830277800),
        ("2027-12-31T18:30+02:00", 1830270600),
    ],
)
def test_times_to_expire_at(text, when) -> None:
    assert expiry(text, NOW) == when


@pytest.mark.parametrize("text", ["", "30", "d30", "1y", "-3d", "0d", "2020-01-01", "2027-02-30", "999999999w", "soon"])
def test_what_is_no_time_or_over_is_refused(text) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(text))):
        expiry(text, NOW)


def test_times_are_printed_in_utc() -> None:
    assert iso(1830277800) == "2027-12-31T18:30:00Z"


@pytest.fixture
def rag_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["keys", *arguments, "--data-dir", str(tmp_path)])
        return status, *capsys.readouterr()

    return call


def test_the_command_makes_lists_and_revokes(rag_keys) -> None:
    options = ("--group", "g", "--scopes", "admin, chat", "--requests-per-minute", "60", "--expires", "2099-01-01")
    status, out, err = rag_keys("create", "--name", "bot", *options, "--json")
    made = json.loads(out)
    assert status == 0
    assert set(made) == {"id", "key", "name", "group", "collections", "scopes", "limits", "expires_at"}
    assert (made["group"], made["collections"], made["scopes"]) == ("g", None, ["chat", "admin"])
    assert made["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": None,
        "concurrent": None,
        "priority": "normal",
    }
    assert made["expires_at"] == "2099-01-01T00:00:00Z"
    assert "sees no collection" in err

    (listed,) = json.loads(rag_keys("list", "--json")[1])["keys"]
    assert listed["state"] == "active"
    assert "key" not in listed
    assert json.loads(rag_keys("revoke", made["id"], "--json")[1]) == {"revoked": {"id": made["id"], "name": "bot"}}
    assert json.loads(rag_keys("list", "--json")[1])["keys"][0]["state"] == "revoked"
    assert "before" in rag_keys("revoke", made["id"])[1]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("create",), 2, "--name"),
        (("create", "--name", " "), 2, "name"),
        (("create", "--name", "a", "--scopes", "chat,root"), 2, "'root'"),
        (("create", "--name", "a", "--scopes", ","), 2, "scopes"),
        (("create", "--name", "a", "--collections", ","), 2, "--collections"),
        (("create", "--name", "a", "--expires", "soon"), 2, "'soon'"),
        (("create", "--name", "a", "--requests-per-minute", "0"), 2, "requests-per-minute"),
        (("revoke", "nobody"), 1, "'nobody'"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_made(rag_keys, arguments, status, words) -> None:
    done, out, err = rag_keys(*arguments)
    assert (done, out) == (status, "")
    assert words in err
    assert json.loads(rag_keys("list", "--json")[1]) == {"keys": []}


def collection(store: Store, name: str, group: str | None) -> CollectionInfo:
    """A new collection with one document."""
    with store.draft(name, EmbeddingInfo(model="m", dimensions=3, dtype="float32"), group) as draft:
        document = Document(root="/r", path="a.md", title=None, sha256="0", size=2, recipe="1", text="A.")
        draft.put(document, [NewChunk(start=0, end=2, anchor=Anchor(line=1))], np.eye(3, dtype=np.float32)[:1])
        draft.publish()
    return store.collection(name, group)


def test_a_key_names_its_own_groups_collections_by_name_and_others_by_id(rag_keys, tmp_path: Path) -> None:
    store = Store(tmp_path)
    own, other, foreign = (collection(store, *words) for words in (("docs", "g"), ("manual", None), ("docs", "h")))
    store.close()
    status, out, err = rag_keys("create", "--name", "a", "--group", "g", "--collections", "docs,manual,later", "--json")
    assert (status, err) == (0, "")
    made = json.loads(out)
    assert made["collections"] == ["docs", "manual", "later"]

    keys = Keys(KeyStore(tmp_path))
    caller = keys.verify(made["key"])
    keys.close()
    assert caller is not None
    seen = {info.id for info in (own, other, foreign) if caller.may_see(info.id, info.name, info.group)}
    assert seen == {own.id, other.id}
    assert caller.may_see("vs_new", "later", "g")
    assert not caller.may_see("vs_new", "later", "h")

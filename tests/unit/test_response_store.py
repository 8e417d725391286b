"""Stored responses: by group, with their conversation, for a while, and not for more than so many."""

from pathlib import Path

import pytest

from rag.errors import CorpusError
from rag.store import ResponseStore, StoredResponse

DAY_S = 24 * 60 * 60


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def response(name: str, previous: str | None = None, group: str = "default") -> StoredResponse:
    return StoredResponse(
        id=f"resp_{name}",
        group=group,
        previous=previous and f"resp_{previous}",
        body={"status": "completed", "text": "Ü 潮"},
        input=({"id": f"msg_{name}", "type": "message"},),
        output=({"id": f"out_{name}", "type": "message"},),
    )


@pytest.fixture
def time() -> Time:
    return Time()


def open_store(folder: Path, time: Time, **options: object) -> ResponseStore:
    return ResponseStore(folder, **{"keep_days": 30, "capacity": 1000, "now": time, **options})  # type: ignore[arg-type]


def test_a_response_comes_back_as_it_was_after_a_restart(tmp_path: Path, time: Time) -> None:
    first = open_store(tmp_path, time)
    first.put(response("a"))
    first.close()
    store = open_store(tmp_path, time)
    assert store.get("resp_a", "default") == response("a")
    assert store.item("out_a", "default") == {"id": "out_a", "type": "message"}
    assert store.get("resp_b", "default") is None


def test_a_conversation_comes_back_oldest_first_and_only_whole(tmp_path: Path, time: Time) -> None:
    store = open_store(tmp_path, time)
    turns = [response("a"), response("b", "a"), response("c", "b")]
    for turn in turns:
        store.put(turn)
    assert store.conversation("resp_c", "default") == tuple(turns)
    assert store.conversation("resp_b", "default") == tuple(turns[:2])
    assert store.delete("resp_a", "default")
    assert not store.delete("resp_a", "default")
    assert store.conversation("resp_c", "default") is None
    assert store.get("resp_c", "default") == turns[2]


def test_another_group_finds_nothing(tmp_path: Path, time: Time) -> None:
    store = open_store(tmp_path, time)
    store.put(response("a"))
    store.put(response("b", "a", group="others"))  # as if ids could be guessed
    assert store.get("resp_a", "others") is None
    assert store.item("msg_a", "others") is None
    assert store.conversation("resp_b", "others") is None
    assert not store.delete("resp_a", "others")
    assert store.get("resp_a", "default") == response("a")


def test_what_is_continued_is_kept_as_long_as_what_continues_it(tmp_path: Path, time: Time) -> None:
    store = open_store(tmp_path, time)
    store.put(response("a"))
    store.put(response("lonely"))
    time.now += 20 * DAY_S
    store.put(response("b", "a"))
    time.now += 20 * DAY_S
    assert store.get("resp_lonely", "default") is None
    assert store.conversation("resp_b", "default") == (response("a"), response("b", "a"))
    time.now += 11 * DAY_S
    assert store.conversation("resp_b", "default") is None


def test_what_is_expired_or_deleted_is_gone_from_the_disk(tmp_path: Path, time: Time) -> None:
    def is_there() -> bool:
        return any(b"msg_secret" in file.read_bytes() for file in tmp_path.iterdir())

    store = open_store(tmp_path, time)
    store.put(response("secret"))
    assert is_there()
    store.delete("resp_secret", "default")
    assert not is_there()
    store.put(response("secret"))
    store.close()
    time.now += 31 * DAY_S
    open_store(tmp_path, time).close()
    assert not is_there()


def test_beyond_the_capacity_the_oldest_go(tmp_path: Path, time: Time) -> None:
    store = open_store(tmp_path, time, capacity=5)
    for number in range(100):
        time.now += 1
        store.put(response(str(number)))
    kept = [number for number in range(100) if store.get(f"resp_{number}", "default")]
    assert kept == [95, 96, 97, 98, 99]


def test_a_damaged_file_says_what_to_do(tmp_path: Path, time: Time) -> None:
    (tmp_path / "responses.db").write_bytes(b"no database" * 1000)
    with pytest.raises(CorpusError, match="delete it"):
        open_store(tmp_path, time)

"""Tokens that were put come back, in this process and in others."""

import threading
from pathlib import Path

import pytest

from rag.errors import CorpusError
from rag.store import TokenStore


def test_tokens_come_back_as_they_were_put(tmp_path: Path) -> None:
    store, other = TokenStore(tmp_path, "abc"), TokenStore(tmp_path, "abc")
    many = {f"key{number}": (number, 2**32 - 1) for number in range(2000)}
    store.put({"empty": (), **many})
    assert other.get([*many, "empty", "unknown"]) == {"empty": (), **many}
    other.put({"key1": (9,), "new": (7,)})
    assert store.get(["key1", "new"]) == {"key1": (1, 2**32 - 1), "new": (7,)}
    store.close()
    other.close()


def test_several_threads_and_stores_may_write_tokens(tmp_path: Path) -> None:
    stores = [TokenStore(tmp_path, "abc") for _ in range(3)]

    def write(store: TokenStore, first: int) -> None:
        for number in range(first, first + 50):
            store.put({str(number): (number,)})

    threads = [threading.Thread(target=write, args=(store, 50 * n)) for n, store in enumerate(stores * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].get([str(n) for n in range(300)]) == {str(n): (n,) for n in range(300)}
    for store in stores:
        store.close()


def test_a_damaged_token_store_is_named(tmp_path: Path) -> None:
    TokenStore(tmp_path, "abc").close()
    (tmp_path / "tokens" / "abc.db").write_bytes(b"no database" * 100)
    with pytest.raises(CorpusError, match=r"abc\.db.*Delete it"):
        TokenStore(tmp_path, "abc")

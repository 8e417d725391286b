"""`GET /v1/rag/reuse`: the same numbers as the answers reported, to those who may see them."""

from collections import Counter

import httpx2
import pytest
from openai import OpenAI

from rag.store import Grant, Store

REPLY = "The standard warranty lasts 26 months. [1]"
QUESTIONS = ("How long is the warranty?", "How long is the warranty?", "When does the frost alert ring?")


def ask(url: str, question: str, *, key: str = "any", collection: str = "default") -> dict:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": question}],
            extra_body={"rag": {"collection": collection}},
        )
    return answer.model_extra["rag"]["reuse"]


def view(url: str, key: str | None = None, **params: str) -> dict:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    answer = httpx2.get(f"{url}/v1/rag/reuse", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tokens(engine: dict, **wanted: str | None) -> int:
    return sum(part["tokens"] for part in engine["parts"] if all(part[name] == wanted[name] for name in wanted))


def test_it_adds_up_what_the_answers_reported(serve_fake) -> None:
    with serve_fake(REPLY) as (url, _):
        before = view(url)["collections"][0]
        assert before["reuse"] == {"answers": 0, "prompt_tokens": 0, "cached_tokens": 0, "misses": {}}
        assert before["minutes"] == []
        assert before["prefixes"][0]["answers"] == 0
        assert before["prefixes"][0]["last_used_at"] is None
        assert before["prefixes"][0]["engines"] == []

        told = [ask(url, question) for question in QUESTIONS]
        seen = view(url, collection="default")
        (shown,) = seen["collections"]
        assert shown["reuse"] == {
            "answers": 3,
            "prompt_tokens": sum(each["prompt_tokens"] for each in told),
            "cached_tokens": sum(each["cached_tokens"] for each in told),
            "misses": dict(Counter(each["miss_reason"] for each in told if each["miss_reason"])),
        }
        assert shown["reuse"]["misses"] == {"cold": 1}
        for name in ("answers", "prompt_tokens", "cached_tokens"):
            assert sum(minute[name] for minute in shown["minutes"]) == shown["reuse"][name]

        (prefix,) = shown["prefixes"]
        segments = [each for reuse in told for each in reuse["segments"] if each["name"] == "shared_prefix"]
        assert prefix["answers"] == len(segments)
        assert prefix["cached_tokens"] == sum(each["cached"] for each in segments)
        assert prefix["documents"] == shown["documents"] == shown["shared_prefix"]["documents"]
        assert prefix["names"]
        assert prefix["engines"] == [0]
        assert before["prefixes"][0]["version"] == prefix["version"]
        assert seen["since"] <= prefix["first_used_at"] <= prefix["last_used_at"] <= seen["now"]


def test_it_says_what_fills_the_cache(serve_fake) -> None:
    with serve_fake(REPLY) as (url, _):
        told = [ask(url, question) for question in QUESTIONS]
        seen = view(url)
        (engine,) = seen["engines"]
        collection = seen["collections"][0]["id"]
        assert engine["capacity_tokens"] == 200_000
        assert engine["mirror"] == "recency"
        assert engine["held_tokens"] == sum(part["tokens"] for part in engine["parts"])
        shared = max(s["tokens"] for reuse in told for s in reuse["segments"] if s["name"] == "shared_prefix")
        assert abs(tokens(engine, part="shared_prefix", collection=collection) - shared) <= 16
        assert tokens(engine, part="question", collection=collection) > 0
        assert tokens(engine, collection=None) == tokens(engine, part="system") > 0


@pytest.mark.parametrize("sharing", ["group", "collection"])
def test_a_group_sees_its_own_answers_and_an_administrator_those_on_its_collections(
    serve_fake, data_dir, make_key, sharing
) -> None:
    chat = make_key("chat", group="g")
    admin = make_key("chat", "admin", group="g")
    guest = make_key("chat", group="h", collections=[Grant(name="secret", id=collection_id(data_dir, "secret"))])
    stranger = make_key("chat", group="x")
    settings = {"data_dir": data_dir, "cache": {"warm": False, "sharing": sharing}}
    with serve_fake(REPLY, settings=settings) as (url, _):
        own = ask(url, "How is it installed?", key=chat, collection="secret")
        foreign = ask(url, "Where does it stand?", key=guest, collection="secret")

        def sums(key: str) -> tuple[int, int]:
            (shown,) = view(url, key)["collections"]
            assert shown["name"] == "secret"
            return shown["reuse"]["answers"], shown["reuse"]["prompt_tokens"]

        assert sums(chat) == (1, own["prompt_tokens"])
        assert sums(guest) == (1, foreign["prompt_tokens"])
        assert sums(admin) == (2, own["prompt_tokens"] + foreign["prompt_tokens"])
        assert view(url, stranger)["collections"] == []

        engines = {name: view(url, key)["engines"][0] for name, key in (("chat", chat), ("guest", guest))}
        for engine in engines.values():
            assert (engine["url"], engine["held_tokens"]) == (None, None)
            assert tokens(engine, part="shared_prefix") > 0
        whole = view(url, admin)["engines"][0]
        assert whole["url"] == "fake://engine"
        n_shared = [tokens(engine, part="shared_prefix") for engine in (*engines.values(), whole)]
        if sharing == "group":
            assert n_shared[0] + n_shared[1] == n_shared[2]
        else:
            assert n_shared[0] == n_shared[1] == n_shared[2]
        assert view(url, stranger)["engines"][0]["parts"] == []
        misses = view(url, guest)["collections"][0]["reuse"]["misses"]
        assert misses == ({foreign["miss_reason"]: 1} if foreign["miss_reason"] else {})


def collection_id(data_dir, name: str) -> str:
    store = Store(data_dir)
    try:
        return store.collection(name).id
    finally:
        store.close()

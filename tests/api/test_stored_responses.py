"""Responses that a client comes back to, and conversations by `previous_response_id`."""

import json
import shutil
import sqlite3
import time
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

from rag.auth import Keys, Scope
from rag.store import KeyStore, ResponseStore

REPLY = "The standard warranty lasts 26 months. [1]"
QUESTIONS = ["How long is the warranty?", "And the frost alert?", "What does it cost?", "Who repairs it?"]
SEARCH = {"type": "file_search", "vector_store_ids": ["default"]}
TAIL_ONLY = {"prompt": {"shared_prefix_tokens": 0, "topic_tokens": 0}, "cache": {"warm": False}}


@pytest.fixture
def data_dir(sample_data_dir: Path, tmp_path: Path) -> Path:
    """A copy of the sample's data, so that what is stored can be counted."""
    return shutil.copytree(sample_data_dir, tmp_path / "data")


@pytest.fixture
def service(serve_fake, data_dir: Path):
    with serve_fake(REPLY, settings={"data_dir": data_dir}) as (url, _):
        yield url


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service}/v1", api_key="any", max_retries=0) as client:
        yield client


def is_on_disk(data_dir: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in data_dir.rglob("*") if file.is_file())


def test_a_response_can_be_read_and_deleted(client, data_dir: Path) -> None:
    response = client.responses.create(model="tiny", input="How long, said Zebediah?", metadata={"a": "b"})
    again = client.responses.retrieve(response.id)
    assert again.to_dict() == response.to_dict()
    assert is_on_disk(data_dir, "Zebediah")
    deleted = httpx2.delete(f"{client.base_url}responses/{response.id}")
    assert deleted.json() == {"id": response.id, "object": "response", "deleted": True}
    assert not is_on_disk(data_dir, "Zebediah")
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(response.id)


def test_what_is_not_stored_leaves_nothing_on_disk(client, data_dir: Path) -> None:
    response = client.responses.create(
        model="tiny", input="How long, said Zebediah?", instructions="Mention Quillon.", store=False
    )
    assert response.model_extra["store"] is False
    assert not is_on_disk(data_dir, "Zebediah")
    assert not is_on_disk(data_dir, "Quillon")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="tiny", input="And?", previous_response_id=response.id)
    assert caught.value.param == "previous_response_id"


def test_only_background_responses_can_be_cancelled_and_none_are_replayed(client) -> None:
    response = client.responses.create(model="tiny", input="How long?")
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(response.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.retrieve(response.id, stream=True)
    assert caught.value.param == "stream"


def test_input_items_are_listed_by_pages(client) -> None:
    first = client.responses.create(
        model="tiny",
        input=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": QUESTIONS[0]}],
        tools=[SEARCH],
    )
    second = client.responses.create(model="tiny", input=QUESTIONS[1], previous_response_id=first.id)
    items = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    assert [(item.type, getattr(item, "role", None)) for item in items] == [
        ("message", "developer"),
        ("message", "user"),
        ("file_search_call", None),
        ("message", "assistant"),
        ("message", "user"),
    ]
    assert [item.content[0].text for item in items if item.type == "message"] == [
        "Be brief.",
        QUESTIONS[0],
        first.output_text,
        QUESTIONS[1],
    ]
    assert [item.id for item in client.responses.input_items.list(second.id)] == [item.id for item in items[::-1]]
    page = client.responses.input_items.list(second.id, order="asc", limit=2)
    assert (page.has_more, page.model_extra["first_id"], page.model_extra["last_id"]) == (
        True,
        items[0].id,
        items[1].id,
    )
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(second.id, limit=101)
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(second.id, after="msg_9")


def test_a_reference_stands_for_a_stored_item(client) -> None:
    first = client.responses.create(model="tiny", input=QUESTIONS[0])
    question = next(iter(client.responses.input_items.list(first.id)))
    items = [
        {"type": "item_reference", "id": question.id},
        {"type": "item_reference", "id": first.output[0].id},
        {"role": "user", "content": QUESTIONS[1]},
    ]
    by_reference = client.responses.create(model="tiny", input=items)
    by_id = client.responses.create(model="tiny", input=QUESTIONS[1], previous_response_id=first.id)
    assert by_reference.usage.input_tokens == by_id.usage.input_tokens
    assert by_id.usage.input_tokens - by_id.usage.input_tokens_details.cached_tokens <= 16


def test_a_conversation_extends_its_prompt_across_a_restart(serve_fake, data_dir: Path) -> None:
    previous_id, previous_tokens = None, 0
    for half in (QUESTIONS[:2], QUESTIONS[2:]):  # a service each, over one data directory
        with (
            serve_fake(REPLY, settings={**TAIL_ONLY, "data_dir": data_dir}) as (url, _),
            OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
        ):
            engine_began_anew = True
            for question in half:
                response = client.responses.create(
                    model="tiny",
                    input=question,
                    instructions="Answer like a sailor.",
                    tools=[SEARCH],
                    previous_response_id=previous_id,
                )
                cached = response.usage.input_tokens_details.cached_tokens
                if not engine_began_anew:
                    assert cached >= previous_tokens - 16
                    assert response.model_extra["rag"]["reuse"]["miss_reason"] is None
                elif previous_id:
                    assert response.usage.input_tokens > previous_tokens  # all earlier turns came back
                previous_id, previous_tokens, engine_began_anew = response.id, response.usage.input_tokens, False


def test_a_conversation_by_id_and_one_sent_whole_are_the_same_prompt(client) -> None:
    first = client.responses.create(model="tiny", input=QUESTIONS[0])
    by_id = client.responses.create(model="tiny", input=QUESTIONS[1], previous_response_id=first.id)
    sent = [
        {"role": "user", "content": QUESTIONS[0]},
        *[item.to_dict() for item in first.output],
        {"role": "user", "content": QUESTIONS[1]},
    ]
    whole = client.responses.create(model="tiny", input=sent)
    chat = client.chat.completions.create(
        model="tiny",
        messages=[sent[0], {"role": "assistant", "content": first.output_text}, sent[2]],
    )
    assert by_id.usage.input_tokens == whole.usage.input_tokens == chat.usage.prompt_tokens
    assert chat.usage.prompt_tokens - chat.usage.prompt_tokens_details.cached_tokens <= 16


def test_instructions_are_not_carried_over(client) -> None:
    told = client.responses.create(model="tiny", input=QUESTIONS[0], instructions="Answer like a sailor. " * 9)
    plain = client.responses.create(model="tiny", input=QUESTIONS[0])
    tokens = [
        client.responses.create(model="tiny", input=QUESTIONS[1], previous_response_id=one.id).usage.input_tokens
        for one in (told, plain)
    ]
    assert tokens[0] == tokens[1]


def test_a_conversation_with_a_deleted_turn_cannot_go_on(client) -> None:
    ids: list[str | None] = [None]
    for question in QUESTIONS[:3]:
        ids.append(client.responses.create(model="tiny", input=question, previous_response_id=ids[-1]).id)
    client.responses.delete(ids[1])
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="tiny", input="And?", previous_response_id=ids[3])
    assert caught.value.param == "previous_response_id"
    assert client.responses.retrieve(ids[3]).id == ids[3]


def test_a_response_of_another_group_is_the_same_404_as_an_unknown_one(client, data_dir: Path) -> None:
    mine = client.responses.create(model="tiny", input=QUESTIONS[0])
    store = ResponseStore(data_dir, keep_days=1, capacity=100)
    found = store.get(mine.id, "default")
    assert found is not None
    assert store.get(mine.id, "others") is None
    assert store.conversation(mine.id, "others") is None
    assert store.item(str(found.output[0]["id"]), "others") is None
    assert not store.delete(mine.id, "others")
    store.close()


def test_the_words_of_a_request_are_counted_without_documents(client) -> None:
    plain = client.responses.create(model="tiny:plain", input=QUESTIONS[0], instructions="Be brief.")
    counted = client.responses.input_tokens.count(model="tiny", input=QUESTIONS[0], instructions="Be brief.")
    assert (counted.object, counted.input_tokens) == ("response.input_tokens", plain.usage.input_tokens)
    second = client.responses.create(model="tiny:plain", input=QUESTIONS[1], previous_response_id=plain.id)
    again = client.responses.input_tokens.count(input=QUESTIONS[1], previous_response_id=plain.id)
    assert again.input_tokens == second.usage.input_tokens
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_tokens.count(model="tiny")
    assert caught.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        client.responses.input_tokens.count(model="gpt-9", input="x")


def test_a_client_that_leaves_ends_the_work_and_leaves_nothing(serve_fake, data_dir: Path) -> None:
    with (
        serve_fake("word " * 500, settings={"data_dir": data_dir}, token_s=0.02) as (url, fake),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        stream = client.responses.create(model="tiny", input="How long, said Zebediah?", stream=True)
        next(iter(stream))
        stream.close()
        deadline = time.monotonic() + 10
        while fake.n_cancelled == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert not is_on_disk(data_dir, "Zebediah")


def test_without_any_collection_the_bare_model_answers(serve_fake, tmp_path: Path) -> None:
    with (
        serve_fake(REPLY, settings={"data_dir": tmp_path / "empty"}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        response = client.responses.create(model="tiny", input=QUESTIONS[0])
        assert (response.output_text, response.model_extra["rag"]["collection"]) == (REPLY, None)


def test_an_answer_that_cannot_be_stored_is_given_and_says_so(service, client, data_dir: Path) -> None:
    before = client.responses.create(model="tiny", input=QUESTIONS[0])
    connection = sqlite3.connect(data_dir / "responses.db")
    connection.execute("DROP TABLE items")
    connection.close()
    for stream in (False, True):
        made = client.responses.create(model="tiny", input=QUESTIONS[0], stream=stream)
        response = list(made)[-1].response if stream else made
        assert (response.status, response.output_text) == ("completed", REPLY)
        assert response.model_extra["store"] is False
    assert httpx2.get(f"{service}/v1/responses/{before.id}").status_code == 503


def test_a_key_of_another_group_finds_nothing(serve_fake, data_dir: Path) -> None:
    keys = Keys(KeyStore(data_dir))
    secrets = {group: keys.create(group, group=group, scopes=[Scope.CHAT])[1] for group in ("red", "blue")}
    keys.close()
    with serve_fake(REPLY, settings={"data_dir": data_dir}) as (url, _):
        red, blue = (OpenAI(base_url=f"{url}/v1", api_key=secrets[group], max_retries=0) for group in ("red", "blue"))
        mine = red.responses.create(model="tiny", input=QUESTIONS[0])
        unknown = f"resp_{'0' * 48}"

        def refusals(response_id: str, item_id: str) -> list[tuple[int, dict]]:
            calls = [
                lambda: blue.responses.retrieve(response_id),
                lambda: blue.responses.input_items.list(response_id),
                lambda: blue.responses.cancel(response_id),
                lambda: blue.responses.delete(response_id),
                lambda: blue.responses.create(model="tiny", input="x", previous_response_id=response_id),
                lambda: blue.responses.input_tokens.count(input="x", previous_response_id=response_id),
                lambda: blue.responses.create(model="tiny", input=[{"type": "item_reference", "id": item_id}]),
            ]
            found = []
            for call in calls:
                with pytest.raises(openai.NotFoundError) as caught:
                    call()
                body = json.dumps(caught.value.body).replace(response_id, "ID").replace(item_id, "ITEM")
                found.append((caught.value.status_code, json.loads(body)))
            return found

        assert refusals(mine.id, mine.output[0].id) == refusals(unknown, "msg_0")
        assert red.responses.retrieve(mine.id).output_text == REPLY  # it was not deleted
        for client in (red, blue):
            client.close()

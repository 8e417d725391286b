"""`"rag": {"filter": ...}`: a prompt shows nothing that the filter excludes, and all it can of the rest."""

import httpx2
import pytest
from openai import OpenAI

ONLY_POLICIES = {"type": "in", "key": "document", "value": [f"policies/{name}.md" for name in ("returns", "support")]}
NOT_WARRANTY = {"type": "ne", "key": "filename", "value": "warranty.md"}


@pytest.fixture(scope="module")
def url(serve_fake):
    with serve_fake("It is so [1].") as (url, _):
        yield url


def ask(url: str, *turns: str, **rag: object) -> dict:
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        body = {"rag": {"include": ["context"], **rag}}
        answer = client.chat.completions.create(model="tiny", messages=messages, extra_body=body)
    return answer.model_extra["rag"]


def shown(answer: dict) -> set[str]:
    return {each["document"] for each in answer["context"]}


def test_a_prompt_shows_only_documents_that_match(url) -> None:
    question = "How long is the standard warranty?"
    assert "policies/warranty.md" in shown(ask(url, question))
    filtered = ask(url, question, filter=ONLY_POLICIES, top_k=4)
    assert shown(filtered) <= set(ONLY_POLICIES["value"])
    # What is excluded takes no place away from what is not.
    assert len(filtered["retrieved"]) > 1
    assert {hit["document"] for hit in filtered["retrieved"]} <= set(ONLY_POLICIES["value"])


def test_a_filter_that_all_documents_match_keeps_the_shared_prefix(url) -> None:
    filtered = ask(url, "How long is the warranty?", filter={"type": "ne", "key": "filename", "value": "none.md"})
    assert {each["placed"] for each in filtered["context"]} == {"prefix"}


def test_a_filter_that_nothing_matches_leaves_an_answer_without_documents(url) -> None:
    filtered = ask(url, "How long is the warranty?", filter={"type": "eq", "key": "year", "value": 2026})
    assert filtered["context"] == filtered["retrieved"] == filtered["citations"] == []


def test_a_conversation_goes_on_under_another_filter_without_what_it_excludes(url) -> None:
    first, second = "How long is the standard warranty?", "And what does it cost?"
    assert "policies/warranty.md" in shown(ask(url, first))
    assert "policies/warranty.md" not in shown(ask(url, first, "It is so [1].", second, filter=NOT_WARRANTY))


def test_two_turns_under_one_filter_extend_one_prompt(url) -> None:
    first, second = "Who answers the phone?", "And on which days?"
    before = ask(url, first, filter=ONLY_POLICIES)
    after = ask(url, first, "It is so [1].", second, filter=ONLY_POLICIES)
    known = [each["chunk_id"] for each in before["context"]]
    assert [each["chunk_id"] for each in after["context"]][: len(known)] == known
    assert after["reuse"]["cached_tokens"] > before["reuse"]["prompt_tokens"] * 0.8


def test_a_wrong_filter_is_refused_by_its_place(url) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi?"}]}
    wrong = {"rag": {"filter": {"type": "and", "filters": [{"type": "eq", "key": "a"}]}}}
    response = httpx2.post(f"{url}/v1/chat/completions", json=body | wrong)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "rag.filter.filters[0].value"

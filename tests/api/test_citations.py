"""Citations on their way to the client, by every policy: whole and streamed they are the same."""

import time

import httpx2
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

TRUE = "The standard warranty lasts 26 months."
FALSE = "The warranty card is made of blue plastic"
SAYS = f"{TRUE} [T] {FALSE} [T, 3]. Nothing else is known [99].\n- The pump flies to Norway every day [2]."
GERMAN = "Die Karte der Garantie besteht aus blauem Kunststoff und fliegt jeden Tag nach Norwegen [3]."
POLICIES = ["flag", "drop", "append-note"]


@pytest.fixture(scope="module")
def service(serve_fake):
    """The URL of a service, and what its engine says: `T` is the number of the passage that says what is TRUE."""
    says = [SAYS, GERMAN]
    with serve_fake(lambda _: says) as (url, _), OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        shown = rag_of(ask(client, include=["context"]))["context"]
        texts = {one["marker"]: httpx2.get(f"{url}/v1/sources/{one['chunk_id']}").json()["text"] for one in shown}
        true = next(marker for marker, text in texts.items() if TRUE in text)
        says[0] = SAYS.replace("[T", true[:-1])
        yield url, says[0]


@pytest.fixture
def client(service):
    with OpenAI(base_url=f"{service[0]}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def says(service) -> str:
    return service[1]


def ask(client: OpenAI, policy: str | None = None, *, include=(), **options):
    messages = [{"role": "user", "content": "How long does the standard warranty last?"}]
    rag = {"rag": {"include": list(include), **({"citations": policy} if policy else {})}}
    return client.chat.completions.create(model="tiny", messages=messages, extra_body=rag, **options)


def streamed(client: OpenAI, policy: str | None = None, **options) -> tuple[dict[int, str], dict[int, list], dict]:
    """The text and the annotations of each choice, and the `rag` of the end."""
    texts, annotations, rag = {}, {}, None
    for chunk in ask(client, policy, stream=True, **options):
        rag = (chunk.model_extra or {}).get("rag", rag)
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            found = (choice.delta.model_extra or {}).get("annotations", [])
            annotations.setdefault(choice.index, []).extend(found)
    return texts, annotations, rag


def rag_of(answer: ChatCompletion) -> dict:
    return answer.model_extra["rag"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_stream_says_the_same_as_a_whole_answer(client, policy) -> None:
    ask(client, policy)  # from here on the same is in the cache, and so the prompt is the same
    whole = ask(client, policy, n=2)
    texts, annotations, rag = streamed(client, policy, n=2)
    for choice in whole.choices:
        assert texts[choice.index] == choice.message.content
        assert annotations[choice.index] == [each.to_dict() for each in choice.message.annotations]
    assert rag["citations"] == rag_of(whole)["citations"]
    assert rag["problems"] == rag_of(whole)["problems"]
    for citation in rag["citations"]:
        text = texts[citation["choice"]]
        assert text[citation["marker_start"] : citation["marker_end"]] == citation["marker"]


def test_flagged_every_citation_is_sent_and_every_fault_is_named(client, says) -> None:
    answer = ask(client, "flag")
    text, rag = answer.choices[0].message.content, rag_of(answer)
    assert text == says.replace(" [99]", "")
    true, both = says[len(TRUE) + 1 :].partition(" ")[0], f"{says[len(TRUE) + 1 :].partition(']')[0]}, 3]"
    assert [citation["marker"] for citation in rag["citations"]] == [true, both, both, "[2]"]
    assert [citation["status"] == "unsupported" for citation in rag["citations"]] == [False, True, True, True]
    wrong = rag["citations"][1:]
    assert [(one["marker"], text[one["start"] : one["end"]]) for one in rag["problems"]] == [
        (true, FALSE),
        ("[3]", FALSE),
        ("[99]", ""),
        ("[2]", "The pump flies to Norway every day"),
    ]
    assert [one["problem"] for one in rag["problems"] if one["chunk_id"]] == [citation["problem"] for citation in wrong]
    unknown = next(one for one in rag["problems"] if one["problem"] == "unknown_marker")
    assert (unknown["choice"], unknown["chunk_id"]) == (0, None)
    assert text[: unknown["start"]].endswith("Nothing else is known")
    assert rag_of(ask(client))["citations"] == rag["citations"]  # it is the default


def test_dropped_what_is_not_supported_is_not_listed_but_named(client, says) -> None:
    answer, flagged = ask(client, "drop"), ask(client, "flag")
    text, rag = answer.choices[0].message.content, rag_of(answer)
    kept = says[: says.index("]") + 1]
    assert text == f"{kept} {FALSE}. Nothing else is known.\n- The pump flies to Norway every day."
    assert [one["chunk_id"] for one in rag["citations"]] == [rag_of(flagged)["citations"][0]["chunk_id"]]
    assert rag["citations"][0]["status"] == "exact"
    assert [(one["problem"], one["marker"], one["chunk_id"]) for one in rag["problems"]] == [
        (one["problem"], one["marker"], one["chunk_id"]) for one in rag_of(flagged)["problems"]
    ]
    assert all(text[one["start"] : one["end"]] in says for one in rag["problems"])


def test_a_note_names_what_could_not_be_verified_in_the_answers_language(client, says) -> None:
    answer, flagged = ask(client, "append-note", n=2), ask(client, "flag", n=2)
    english, german = (choice.message.content for choice in answer.choices)
    before = flagged.choices[0].message.content
    assert english.startswith(f"{before}\n\nThe documents do not confirm:\n")
    true = says[len(TRUE) + 1 :].partition(" ")[0]
    assert english.endswith(f"- “{FALSE}” {true}\n- “{FALSE}” [3]\n- “The pump flies to Norway every day” [2]")
    assert german == f"{GERMAN}\n\nDie Dokumente bestätigen nicht:\n- “{GERMAN[:-5]}” [3]"
    assert rag_of(answer)["citations"] == rag_of(flagged)["citations"]


def test_an_answer_that_is_all_right_has_no_note(serve_fake) -> None:
    with (
        serve_fake("I do not know. [99]", settings={"citations": {"policy": "append-note"}}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        assert ask(client).choices[0].message.content == "I do not know."
        said = ask(client, response_format={"type": "json_object"}).choices[0].message.content
        assert said == "I do not know. [99]"


def test_the_setting_is_what_a_request_may_change(serve_fake) -> None:
    with (
        serve_fake(f"{FALSE} [3].", settings={"citations": {"policy": "drop"}}) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        assert ask(client).choices[0].message.content == f"{FALSE}."
        assert ask(client, "flag").choices[0].message.content == f"{FALSE} [3]."
        response = client.responses.create(model="tiny", input="What is it made of?")
        assert response.output_text == f"{FALSE}."


def test_an_unknown_policy_is_refused_by_its_name(service) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "rag": {"citations": "hide"}}
    refused = httpx2.post(f"{service[0]}/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "rag.citations"
    assert "append-note" in refused.json()["error"]["message"]


@pytest.mark.parametrize("policy", POLICIES)
def test_responses_annotate_once_each(client, policy) -> None:
    options = {"model": "tiny", "input": "How long is the warranty?", "extra_body": {"rag": {"citations": policy}}}
    whole = client.responses.create(**options)
    events = list(client.responses.create(stream=True, **options))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    annotations = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    (content,) = whole.output[-1].content
    assert text == content.text == whole.output_text
    assert [each.to_dict() for each in annotations] == [each.to_dict() for each in content.annotations]
    assert events[-1].response.output_text == text
    kinds = [event.type for event in events]
    assert kinds.index("response.output_text.done") > max(
        index for index, kind in enumerate(kinds) if kind.endswith("annotation.added")
    )


def test_what_an_engine_stalls_behind_is_shown_in_time(serve_fake) -> None:
    def pieces(text: str) -> list[tuple[int, str]]:
        cut = text.index("[") + 1
        return list(enumerate([text[:cut], text[cut:]]))

    with (
        serve_fake("It lasts 26 months [10].", token_s=1.0, pieces=pieces) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        came: list[tuple[float, str]] = []
        for chunk in ask(client, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                came.append((time.monotonic(), chunk.choices[0].delta.content))
            rag = (chunk.model_extra or {}).get("rag")
        assert [text for _, text in came] == ["It lasts 26 months", " [", "10]", "."]
        assert 0.2 < came[1][0] - came[0][0] < 0.8
        assert [citation["marker"] for citation in rag["citations"]] == ["[10]"]


def test_a_client_that_leaves_ends_engine_and_judge(serve_fake) -> None:
    long = "".join(f"The standard warranty lasts {months} months [10]. " for months in range(300))
    with serve_fake(long, token_s=0.005) as (url, fake), OpenAI(base_url=f"{url}/v1", api_key="any") as client:
        stream = ask(client, stream=True)
        for chunk in stream:
            if chunk.choices and (chunk.choices[0].delta.model_extra or {}).get("annotations"):
                break
        stream.close()
        deadline = time.monotonic() + 10
        while fake.n_cancelled == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ready = httpx2.get(f"{url}/metrics").text
        assert "rag_in_flight_requests 0.0" in ready


def test_metrics_count_what_is_wrong_and_what_judging_takes(serve_fake) -> None:
    with (
        serve_fake(SAYS.replace("[T", "[1")) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        answer = ask(client)
        problems = rag_of(answer)["problems"]
        metrics = httpx2.get(f"{url}/metrics").text
    for problem in {one["problem"] for one in problems}:
        n = sum(one["problem"] == problem for one in problems)
        assert f'rag_citation_problems_total{{problem="{problem}"}} {n}.0' in metrics
    assert "rag_judge_seconds_count 4.0" in metrics
    assert rag_of(answer)["timings_ms"]["cite"] > 0

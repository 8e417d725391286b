"""Pipeline events become OpenAI's events of a response, in OpenAI's order."""

import itertools
import json
from pathlib import Path

import pytest

from rag.api import sse
from rag.api.responses.events import ResponseHead, ResponseWriter
from rag.api.sources.link import SourceLinks
from rag.ask import Choice, Event, Found, Piece, Report, Reuse
from rag.types import (
    Anchor,
    CallDelta,
    Chunk,
    ChunkId,
    Citation,
    FileId,
    Hit,
    Logprob,
    Prompt,
    Segment,
    SourceFile,
    Status,
    ToolCall,
    Usage,
)

TRANSCRIPT = Path(__file__).parents[1] / "golden" / "response_stream.txt"
CHUNK = Chunk(
    id=ChunkId("c1"),
    seq=0,
    document="guide/refunds.md",
    title="Refunds",
    anchor=Anchor(heading="Returns", line=12),
    start=300,
    end=340,
    text="Refunds take five days.",
)
HIT = Hit(chunk=CHUNK, score=0.71, rank=1)
FILE = SourceFile(id=FileId("file-1"), name="refunds.md", attributes={"year": 2026})
FOUND = Found(query="How long?", hits=(HIT,), files={CHUNK.id: FILE})
CITATION = Citation(
    marker="[1]",
    start=0,
    end=10,
    marker_start=11,
    marker_end=14,
    chunk=CHUNK,
    status=Status.EXACT,
    source_start=300,
    source_end=323,
    quote="Refunds take five days.",
    anchor=CHUNK.anchor,
)


def report(finish_reason: str = "stop", text: str = "Five days. [1]", calls: tuple[ToolCall, ...] = ()) -> Report:
    return Report(
        choices=(Choice(finish_reason=finish_reason, text=text, citations=(CITATION,), calls=calls),),
        usage=Usage(prompt_tokens=40, completion_tokens=6, cached_tokens=32),
        collection="default",
        generation=7,
        prompt=Prompt(token_ids=(1,) * 40, segments=(Segment(name="tail", n_tokens=40),), shown=(), layout="1"),
        hits=(HIT,),
        n_turns_dropped=0,
        reuse=Reuse(
            prompt_tokens=40,
            predicted_cached_tokens=32,
            cached_tokens=32,
            segments=((Segment(name="tail", n_tokens=40), 32),),
            miss_reason=None,
            n_replaced=0,
        ),
        timings_ms={"total": 12.0},
    )


def writer(*, shows_search: bool = True, shows_results: bool = False) -> ResponseWriter:
    head = ResponseHead(
        id="resp_0",
        created_at=1_700_000_000,
        echo={"model": "tiny"},
        tell=lambda logprobs: [{"token": str(one.token_id)} for one in logprobs],
        links=SourceLinks(base_url="http://x", collection="vs_0"),
        shows_search=shows_search,
        shows_results=shows_results,
    )
    counter = itertools.count(1)
    return ResponseWriter(head, new_id=lambda prefix: f"{prefix}_{next(counter)}", now=lambda: 1_700_000_001.5)


def said(one: ResponseWriter, *events: Event | str | Citation | CallDelta) -> list[dict]:
    whole = [event if isinstance(event, Found | Piece | Report) else Piece(content=event) for event in events]
    return [*one.begin(), *(made for event in whole for made in one.take(event))]


def test_a_search_and_an_answer_are_told_in_openais_order() -> None:
    events = said(writer(shows_results=True), FOUND, "Five days.", " [1]", CITATION, report())
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(map(sse.named, events)) == TRANSCRIPT.read_text("utf-8"), "read the difference, then write it anew"


def test_the_last_event_has_all_that_came_before() -> None:
    events = said(writer(shows_results=True), FOUND, "Five ", "days.", " [1]", CITATION, report())
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert done[1]["content"][0]["text"] == text == "Five days. [1]"
    assert done[1]["content"][0]["annotations"] == [
        event["annotation"] for event in events if event["type"] == "response.output_text.annotation.added"
    ]


def test_results_are_kept_although_they_are_not_shown() -> None:
    one = writer(shows_results=False)
    events = said(one, FOUND, "Five days.", report())
    assert "Refunds take five days." not in json.dumps([event.get("item") for event in events])
    assert events[-1]["response"]["output"][0]["results"] is None
    assert one.output[0]["results"][0]["text"] == "Refunds take five days."


def test_a_search_that_was_not_asked_for_is_not_told() -> None:
    events = said(writer(shows_search=False), FOUND, "Five days.", report())
    assert not any("file_search" in event["type"] for event in events)
    assert {event["output_index"] for event in events if "output_index" in event} == {0}


def test_an_answer_without_words_has_an_empty_text() -> None:
    events = said(writer(), FOUND, report(text=""))
    assert [event["type"] for event in events][-6:] == [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


@pytest.mark.parametrize("n_before", range(4))
def test_a_break_at_any_point_ends_with_a_failed_response(n_before: int) -> None:
    one = writer()
    events = said(one, *[FOUND, "Five days.", CITATION][:n_before])
    failed = one.fail("server_error", "The engine broke.")
    assert failed["sequence_number"] == len(events)
    response = failed["response"]
    assert (failed["type"], response["status"], response["completed_at"]) == ("response.failed", "failed", None)
    assert response["error"] == {"code": "server_error", "message": "The engine broke."}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"][: min(n_before, 2)]


def test_an_answer_that_was_cut_is_incomplete() -> None:
    last = said(writer(), FOUND, "Five", report("length"))[-1]
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "incomplete")
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][1]["status"] == "incomplete"


def test_calls_are_items_after_what_was_said() -> None:
    calls = (ToolCall(id="call_a", name="look", arguments='{"x":1}'), ToolCall(id="call_b", name="go", arguments="{}"))
    events = said(
        writer(),
        FOUND,
        "Let me look.",
        CallDelta(index=0, id="call_a", name="look"),
        CallDelta(index=0, arguments='{"x":'),
        CallDelta(index=0, arguments="1}"),
        CallDelta(index=1, id="call_b", name="go", arguments="{}"),
        report("tool_calls", calls=calls),
    )
    told = [(event["type"], event["output_index"]) for event in events if "function_call_arguments" in event["type"]]
    assert told == [
        ("response.function_call_arguments.delta", 2),
        ("response.function_call_arguments.delta", 2),
        ("response.function_call_arguments.delta", 3),
        ("response.function_call_arguments.done", 2),
        ("response.function_call_arguments.done", 3),
    ]
    response = events[-1]["response"]
    assert [item["type"] for item in response["output"]] == [
        "file_search_call",
        "message",
        "function_call",
        "function_call",
    ]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in response["output"][2:]] == [
        (call.id, call.name, call.arguments) for call in calls
    ]
    assert {item["status"] for item in response["output"]} == {response["status"]} == {"completed"}


def test_an_answer_of_calls_alone_has_no_message() -> None:
    call = ToolCall(id="call_a", name="look", arguments="{}")
    events = said(
        writer(), CallDelta(index=0, id="call_a", name="look", arguments="{}"), report("tool_calls", "", (call,))
    )
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call"]


def test_every_log_probability_of_the_text_is_told_once() -> None:
    def piece(content: str | Citation, *tokens: int) -> Piece:
        return Piece(content=content, logprobs=tuple(Logprob(token_id=token, logprob=-1.0) for token in tokens))

    events = said(writer(), FOUND, piece("Five", 1), piece("", 2), piece(" days.", 3, 4), piece(CITATION, 5), report())
    told = [token["token"] for event in events for token in event.get("logprobs", [])]
    content = events[-1]["response"]["output"][1]["content"][0]
    assert told == [token["token"] for token in content["logprobs"]] == ["1", "2", "3", "4", "5"]

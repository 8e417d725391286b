"""Responses on a real vLLM: what a conversation by ids says it reused is what the engine reports."""

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTIONS = ["How long is the warranty?", "What does error E41 mean?", "How much is express shipping?"]
SEARCH = {"type": "file_search", "vector_store_ids": ["default"]}


def test_a_streamed_conversation_by_ids_is_computed_once(service) -> None:
    block_size = service.ready()["engines"][0]["block_size"]
    previous, n_before = None, 0
    for question in QUESTIONS:
        with service.client.responses.stream(
            model=service.model,
            input=question,
            instructions="Answer like a sailor.",
            tools=[SEARCH],
            include=["file_search_call.results"],
            previous_response_id=previous,
            max_output_tokens=40,
            temperature=0,
        ) as stream:
            events = list(stream)
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert events[-1].type in ("response.completed", "response.incomplete")  # random weights rarely end in time
        response = events[-1].response
        assert response.output_text == text
        assert [item.type for item in response.output] == ["file_search_call", "message"]
        assert response.output[0].results
        assert service.client.responses.retrieve(response.id).output_text == text
        reuse = response.model_extra["rag"]["reuse"]
        cached = response.usage.input_tokens_details.cached_tokens
        assert cached == reuse["cached_tokens"]
        assert abs(cached - reuse["predicted_cached_tokens"]) <= block_size
        # The whole previous prompt but the words that open its answer, and the block that they are in.
        assert cached >= n_before - 2 * block_size
        previous, n_before = response.id, response.usage.input_tokens

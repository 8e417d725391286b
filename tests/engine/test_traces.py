"""A trace from the client's span through the service's to vLLM's own."""

import runpy
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

spans_of = runpy.run_path(str(Path(__file__).parents[1] / "collector.py"))["spans_of"]
CLIENT = "b7ad6b7169203331"
WITHIN_S = 120


@pytest.mark.parametrize(
    ("route", "trace", "options"),
    [
        ("/inference/v1/generate", "0af7651916cd43dd8448eb211c80319c", {}),
        ("/v1/completions", "1af7651916cd43dd8448eb211c80319c", {"logprobs": True}),
    ],
)
def test_vllms_span_is_below_ours_and_ours_below_the_clients(service, route, trace, options) -> None:
    service.client.chat.completions.create(
        model=service.model,
        messages=[{"role": "user", "content": "How long is the warranty, xyzzy?"}],
        max_tokens=4,
        extra_headers={"traceparent": f"00-{trace}-{CLIENT}-01"},
        **options,
    )
    deadline = time.monotonic() + WITHIN_S
    names = {"POST /v1/chat/completions", route, "llm_request"}
    while not names <= (by_name := {span.name: span for span in spans_of(trace, service.spans)}).keys():
        assert time.monotonic() < deadline, by_name.keys()
        time.sleep(0.2)
    request, ours, theirs = by_name["POST /v1/chat/completions"], by_name[route], by_name["llm_request"]
    assert request.parent_span_id.hex() == CLIENT
    assert ours.parent_span_id == request.span_id
    assert theirs.parent_span_id == ours.span_id
    tokens = [attribute.value.int_value for attribute in theirs.attributes if "prompt_tokens" in attribute.key]
    assert tokens[0] > 100
    assert not any(b"xyzzy" in body for body in service.spans)

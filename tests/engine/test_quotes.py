"""A real vLLM is held to the documents' sentences: random weights would write anything else."""

import httpx2
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.mark.parametrize("question", ["How long is the warranty?", "What does E41 mean?", "Wie weit reicht der Funk?"])
@pytest.mark.parametrize("top_logprobs", [None, 1])  # the two routes to the engine
def test_every_answer_is_verbatim(service, question: str, top_logprobs: int | None) -> None:
    answer = service.client.chat.completions.create(
        model=service.model,
        messages=[{"role": "user", "content": question}],
        temperature=1.5,
        seed=7,
        n=1,
        max_tokens=512,
        logprobs=top_logprobs is not None,
        top_logprobs=top_logprobs,
        extra_body={"rag": {"answer": "quotes"}},
    )
    text, rag = answer.choices[0].message.content, answer.model_extra["rag"]
    quoted = []
    for citation in rag["citations"]:
        document = httpx2.get(f"{service.url}/v1/sources/{citation['chunk_id']}/document").text
        assert citation["status"] == "exact"
        assert document[citation["source_start"] : citation["source_end"]] == citation["quote"]
        quoted.append(f'"{citation["quote"]}" {citation["marker"]}')
    assert rag["no_answer"] is not bool(quoted)
    assert "\n".join(quoted) == text or rag["no_answer"]
    # Nothing that was written had to be dropped but a line that max_tokens cut.
    assert rag.get("quotes_dropped", 0) == (answer.choices[0].finish_reason == "length")

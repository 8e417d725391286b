"""Answers of quotes over a real socket, with the official client."""

import httpx2
import openai
import pytest
from openai import OpenAI

QUESTION = [{"role": "user", "content": "How long does the standard warranty last?"}]
QUOTES = {"rag": {"answer": "quotes"}}
NO_ANSWER = "The documents do not contain an answer to this question."
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


class Scripted:
    """Writes the lines on offer with these places in the grammar's list, and then `more`."""

    def __init__(self) -> None:
        self.places: tuple[int, ...] = (0,)
        self.more = ""
        self.fake = None

    def __call__(self, token_ids) -> str:
        if self.fake is None:
            return "ready"  # the service's own probe
        lines = literals(self.fake.samplings[-1].grammar)
        return "\n".join([*(lines[place] for place in self.places), *filter(None, [self.more])])


def literals(grammar: str) -> list[str]:
    quote = grammar.partition("\nquote ::= ")[2].strip()
    return [part.replace('\\"', '"').replace("\\\\", "\\") for part in quote[1:-1].split('" | "')]


@pytest.fixture(scope="module")
def scripted(serve_fake):
    reply = Scripted()
    with serve_fake(reply) as (url, fake), OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        reply.fake = fake
        yield url, reply, client


@pytest.fixture(autouse=True)
def _fresh(scripted) -> None:
    scripted[1].places, scripted[1].more = (0,), ""


def ask(client: OpenAI, **options):
    return client.chat.completions.create(model="tiny", messages=QUESTION, extra_body=QUOTES, **options)


def check(url: str, text: str, extension: dict) -> None:
    """Every line is a passage, word for word."""
    assert extension["citations"]
    quoted = []
    for citation in extension["citations"]:
        document = httpx2.get(f"{url}/v1/sources/{citation['chunk_id']}/document").text
        assert citation["status"] == "exact"
        assert document[citation["source_start"] : citation["source_end"]] == citation["quote"]
        assert text[citation["start"] : citation["end"]] == citation["quote"]
        quoted.append(f'"{citation["quote"]}" {citation["marker"]}')
    assert text == "\n".join(quoted)


def test_an_answer_is_made_of_verbatim_passages_alone(scripted) -> None:
    url, reply, client = scripted
    reply.places, reply.more = (2, 0, 2), "The warranty lasts 99 years. [1]"
    answer = ask(client)
    extension = answer.model_extra["rag"]
    check(url, answer.choices[0].message.content, extension)
    assert len(extension["citations"]) == 2
    assert extension["quotes_dropped"] == 1
    assert extension["no_answer"] is False
    assert "rag_quotes_dropped_total 1.0" in httpx2.get(f"{url}/metrics").text


def test_a_stream_of_quotes_says_the_same(scripted) -> None:
    url, reply, client = scripted
    reply.places = (0, 1, 3)
    whole = ask(client)
    texts, annotations, extension = [], [], None
    for chunk in ask(client, stream=True):
        texts += [chunk.choices[0].delta.content] if chunk.choices[0].delta.content else []
        annotations += (chunk.choices[0].delta.model_extra or {}).get("annotations", [])
        extension = (chunk.model_extra or {}).get("rag", extension)
    check(url, "".join(texts), extension)
    assert len(texts) == len(annotations) == 3
    assert "".join(texts) == whole.choices[0].message.content
    assert extension["citations"] == whole.model_extra["rag"]["citations"]


def test_responses_quote_as_well(scripted) -> None:
    url, _, client = scripted
    response = client.responses.create(model="tiny", input=QUESTION[0]["content"], extra_body=QUOTES)
    check(url, response.output_text, response.model_extra["rag"])


def test_each_choice_is_made_of_quotes(scripted) -> None:
    answer = ask(scripted[2], n=2)
    assert {citation["choice"] for citation in answer.model_extra["rag"]["citations"]} == {0, 1}
    assert answer.choices[0].message.content == answer.choices[1].message.content


def test_a_model_that_finds_nothing_to_quote_leaves_no_answer(scripted) -> None:
    _, reply, client = scripted
    reply.places, reply.more = (), "The documents do not say."
    answer = ask(client)
    assert answer.choices[0].message.content == NO_ANSWER
    assert answer.choices[0].finish_reason == "stop"
    extension = answer.model_extra["rag"]
    assert (extension["no_answer"], extension["citations"], extension.get("quotes_dropped")) == (True, [], None)


def test_the_prompt_of_quotes_is_that_of_text(scripted) -> None:
    _, reply, client = scripted
    ask(client)
    client.chat.completions.create(model="tiny", messages=QUESTION, extra_body={"rag": {"answer": "quotes"}})
    prompts = reply.fake.prompts[-2:]
    assert prompts[0] == prompts[1]
    assert ask(client).model_extra["rag"]["reuse"]["cached_tokens"] > 0


@pytest.mark.parametrize(
    ("options", "word"),
    [({"response_format": SCHEMA}, "response_format"), ({"tools": [TOOL], "tool_choice": "required"}, "tools")],
)
def test_quotes_do_not_go_with_what_else_shapes_the_answer(scripted, options: dict, word: str) -> None:
    with pytest.raises(openai.BadRequestError, match=word) as caught:
        ask(scripted[2], **options)
    assert caught.value.param == "rag.answer"


def test_a_bare_model_has_nothing_to_quote(scripted) -> None:
    _, _, client = scripted
    for model, rag in (("tiny:plain", {"answer": "quotes"}), ("tiny", {"answer": "quotes", "mode": "off"})):
        with pytest.raises(openai.BadRequestError, match="searches none"):
            client.chat.completions.create(model=model, messages=QUESTION, extra_body={"rag": rag})
    with pytest.raises(openai.BadRequestError, match=r"text\.format"):
        client.responses.create(
            model="tiny", input="Q", text={"format": {"type": "json_object"}}, extra_body={"rag": {"answer": "quotes"}}
        )
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny", messages=QUESTION, extra_body={"rag": {"answer": "poem"}})

"""The official Python client, newest release: everything that the service has of OpenAI's API."""

import io
import json
import sys
import urllib.request

from openai import BadRequestError, NotFoundError, OpenAI
from pydantic import BaseModel

QUESTION = {"role": "user", "content": "How long does the standard warranty last?"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Months(BaseModel):
    """A structured answer."""

    months: int


def chat(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="tiny", messages=[QUESTION])
    assert whole.choices[0].message.content == "The warranty lasts 26 months. [1]", whole
    citation = whole.choices[0].message.annotations[0].url_citation
    assert urllib.request.urlopen(citation.url).status == 200
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=[QUESTION], stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    parsed = client.chat.completions.parse(
        model="tiny", messages=[{"role": "user", "content": "As JSON: how many months?"}], response_format=Months
    )
    assert parsed.choices[0].message.parsed == Months(months=26)


def tools(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Bergen?"}]
    asked = client.chat.completions.create(model="tiny", messages=messages, tools=[WEATHER])
    call = asked.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Bergen"})
    messages += [asked.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "4 degrees"}]
    answer = client.chat.completions.create(model="tiny", messages=messages, tools=[WEATHER])
    assert "4 degrees" in answer.choices[0].message.content
    with client.chat.completions.stream(model="tiny", messages=messages[:1], tools=[WEATHER]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert [event.name for event in done] == ["get_weather"]


def embeddings_and_models(client: OpenAI) -> None:
    result = client.embeddings.create(model="fake", input=["one river", "two rivers"])
    assert [len(item.embedding) for item in result.data] == [64, 64]
    assert {"tiny", "gpt-4o", "fake"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("tiny").id == "tiny"
    for error, request in (
        (NotFoundError, {"model": "none", "input": "x"}),
        (BadRequestError, {"model": "fake", "input": ""}),
    ):
        try:
            client.embeddings.create(**request)
        except error:
            continue
        raise AssertionError(request)


def stores(client: OpenAI) -> None:
    text = b"# Ferry\n\nThe ferry to Bergen leaves at seven in the morning from quay nine.\n"
    file = client.files.create(file=("ferry.md", io.BytesIO(text)), purpose="assistants")
    assert client.files.content(file.id).read() == text
    store = client.vector_stores.create(name="ferries", metadata={"kind": "timetable"})
    attached = client.vector_stores.files.create_and_poll(
        vector_store_id=store.id, file_id=file.id, attributes={"year": 2026}
    )
    assert attached.status == "completed", attached
    batch = client.vector_stores.file_batches.upload_and_poll(
        vector_store_id=store.id, files=[("second.md", b"# Bus\n\nThe bus leaves at eight.\n")]
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 1)
    found = client.vector_stores.search(vector_store_id=store.id, query="When does the ferry leave?")
    assert found.data[0].filename == "ferry.md"
    assert "quay nine" in found.data[0].content[0].text
    only = client.vector_stores.search(
        vector_store_id=store.id, query="leaves", filters={"type": "eq", "key": "year", "value": 2026}
    )
    assert {hit.filename for hit in only.data} == {"ferry.md"}
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 2
    assert {item.id for item in client.vector_stores.files.list(store.id)} >= {file.id}
    assert client.vector_stores.delete(store.id).deleted
    assert client.files.delete(file.id).deleted


def responses(client: OpenAI) -> None:
    search = {"type": "file_search", "vector_store_ids": ["default"]}
    first = client.responses.create(
        model="tiny", input=QUESTION["content"], tools=[search], include=["file_search_call.results"]
    )
    assert first.output_text == "The warranty lasts 26 months. [1]"
    assert [item.type for item in first.output] == ["file_search_call", "message"]
    assert first.output[1].content[0].annotations[0].type == "file_citation"
    with client.responses.stream(
        model="tiny", input="And in Norway?", tools=[search], previous_response_id=first.id
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.previous_response_id == first.id
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)


def main() -> None:
    url = sys.argv[1]
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        chat(client)
        tools(client)
        embeddings_and_models(client)
        stores(client)
        responses(client)


if __name__ == "__main__":
    main()

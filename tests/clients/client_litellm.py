"""LiteLLM: chat, streams, tools, embeddings and its mapping of errors. `client_litellm.py URL`."""

import json
import sys

import litellm

QUESTION = [{"role": "user", "content": "How long does the standard warranty last?"}]
ANSWER = "The warranty lasts 26 months. [1]"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def main() -> None:
    same = {"api_base": f"{sys.argv[1]}/v1", "api_key": "any", "num_retries": 0}
    whole = litellm.completion(model="openai/tiny", messages=QUESTION, **same)
    assert whole.choices[0].message.content == ANSWER
    assert whole.usage.prompt_tokens > 0
    chunks = litellm.completion(model="openai/tiny", messages=QUESTION, stream=True, **same)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    asked = [{"role": "user", "content": "What is the weather in Bergen?"}]
    answer = litellm.completion(model="openai/tiny", messages=asked, tools=[WEATHER], **same)
    call = answer.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Bergen"}
    asked += [answer.choices[0].message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "4 degrees"}]
    told = litellm.completion(model="openai/tiny", messages=asked, tools=[WEATHER], **same)
    assert "4 degrees" in told.choices[0].message.content
    vectors = litellm.embedding(model="openai/fake", input=["one river", "two"], **same)
    assert [len(item["embedding"]) for item in vectors.data] == [64, 64]
    try:
        litellm.completion(model="openai/none", messages=QUESTION, **same)
    except litellm.NotFoundError:
        pass
    else:
        raise AssertionError("a model that is not there was not missed")


if __name__ == "__main__":
    main()

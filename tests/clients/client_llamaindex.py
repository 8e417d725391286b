"""LlamaIndex: `OpenAILike` for chat, completion, streams and tools, and embeddings. `client_llamaindex.py URL`."""

import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

QUESTION = "How long does the standard warranty last?"
ANSWER = "The warranty lasts 26 months. [1]"


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"4 degrees in {city}"


def main() -> None:
    url = f"{sys.argv[1]}/v1"
    same = {"model": "tiny", "api_base": url, "api_key": "any", "max_retries": 0, "context_window": 8192}
    llm = OpenAILike(is_chat_model=True, is_function_calling_model=True, **same)
    assert llm.chat([ChatMessage(role="user", content=QUESTION)]).message.content == ANSWER
    assert "".join(part.delta or "" for part in llm.stream_chat([ChatMessage(role="user", content=QUESTION)])) == ANSWER
    assert llm.complete(QUESTION).text == ANSWER
    tool = FunctionTool.from_defaults(get_weather)
    asked = llm.chat_with_tools([tool], user_msg="What is the weather in Bergen?")
    calls = llm.get_tool_calls_from_response(asked)
    assert [(call.tool_name, call.tool_kwargs) for call in calls] == [("get_weather", {"city": "Bergen"})]
    bare = OpenAILike(is_chat_model=False, max_tokens=20, **same)
    assert bare.complete("Once").text
    embedding = OpenAILikeEmbedding(model_name="fake", api_base=url, api_key="any")
    assert len(embedding.get_text_embedding("one river")) == 64
    assert [len(vector) for vector in embedding.get_text_embedding_batch(["a", "b"])] == [64, 64]


if __name__ == "__main__":
    main()

"""An answer as it streams, through the official OpenAI client."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam


# Any: `rag` and `usage` are the service's JSON, whose fields are handed on as they are.
def stream_answer(
    client: "OpenAI",
    model: str,
    messages: "Sequence[ChatCompletionMessageParam]",
    collection: str | None,
    shown: Callable[[str], None],
) -> dict[str, Any]:
    """The whole answer, its `rag` field and its usage.

    shown: gets every piece of text as it comes.
    """
    stream = client.chat.completions.create(
        model=model,
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"rag": {"collection": collection}} if collection else None,
    )
    text: list[str] = []
    answer: dict[str, Any] = {"rag": {}, "usage": None}
    with stream:  # whatever ends the block ends the request, so that its place is free at once
        for chunk in stream:
            for choice in chunk.choices:
                if choice.delta.content:
                    text.append(choice.delta.content)
                    shown(choice.delta.content)
            answer["rag"] = (chunk.model_extra or {}).get("rag") or answer["rag"]
            answer["usage"] = chunk.usage.model_dump() if chunk.usage else answer["usage"]
    return {"answer": "".join(text), **answer}

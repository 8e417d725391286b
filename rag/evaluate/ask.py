"""Questions to a running service, through the official OpenAI client."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from rag.evaluate.outcome import Cited, Outcome, Said, outcome
from rag.evaluate.questions import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How every question is asked. Words are not drawn, so that a run can be repeated."""

    model: str
    collection: str
    max_tokens: int
    top_k: int | None = None  # None: the service's own


def ask_all(
    client: openai.OpenAI, questions: Sequence[Question], manner: Manner, *, n_at_once: int, told: Callable[[], object]
) -> list[Outcome]:
    """A row for each question, in their order. A question that fails does not stop the others.

    told: called after each one.
    """
    rows: dict[str, Outcome] = {}
    with ThreadPoolExecutor(n_at_once, thread_name_prefix="evaluate") as threads:
        asked = {threads.submit(_outcome, client, question, manner): question.id for question in questions}
        try:
            for done in as_completed(asked):
                rows[asked[done]] = done.result()
                told()
        except KeyboardInterrupt:
            threads.shutdown(cancel_futures=True)
            raise
    return [rows[question.id] for question in questions]


def _outcome(client: openai.OpenAI, question: Question, manner: Manner) -> Outcome:
    try:
        return outcome(question, ask(client, question.text, manner))
    except (openai.OpenAIError, httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
        return Outcome(question=question, error=f"{type(error).__name__}: {error}")


def ask(client: openai.OpenAI, question: str, manner: Manner) -> Said:
    """What the service says to a question.

    Raises:
        OpenAIError: it refuses, breaks off, or cannot be reached.
        KeyError: its answer has no `rag`, so it is no service of ours.
    """
    extension: dict[str, object] = {"collection": manner.collection, "include": ["context"]}
    if manner.top_k is not None:
        extension["top_k"] = manner.top_k
    began = time.perf_counter()
    stream = client.chat.completions.create(
        model=manner.model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        temperature=0,
        max_tokens=manner.max_tokens,
        extra_body={"rag": extension},
    )
    text: list[str] = []
    first_s: float | None = None
    rag: dict[str, Any] = {}  # Any: the service's JSON
    for chunk in stream:
        for delta in _texts(chunk):
            first_s = first_s or time.perf_counter() - began
            text.append(delta)
        rag = (chunk.model_extra or {}).get("rag") or rag
    total_s = time.perf_counter() - began
    return _said("".join(text), rag, first_ms=(first_s or total_s) * 1000, total_ms=total_s * 1000)


def _texts(chunk: ChatCompletionChunk) -> Iterator[str]:
    yield from (choice.delta.content for choice in chunk.choices if choice.delta.content)


def _said(text: str, rag: dict[str, Any], *, first_ms: float, total_ms: float) -> Said:  # Any: the service's JSON
    reuse = rag["reuse"]
    return Said(
        text=text,
        retrieved=[hit["document"] for hit in rag["retrieved"]],
        context=[shown["document"] for shown in rag["context"]],
        citations=[
            Cited(
                document=each["document"],
                status=each["status"],
                problem=each["problem"],
                start=each["start"],
                end=each["end"],
            )
            for each in rag["citations"]
        ],
        no_answer=rag.get("no_answer"),
        first_token_ms=round(first_ms, 1),
        total_ms=round(total_ms, 1),
        prompt_tokens=reuse["prompt_tokens"],
        cached_tokens=reuse["cached_tokens"],
    )

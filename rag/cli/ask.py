"""`rag ask`: one question to the running service, through the official OpenAI client."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.client import connected
from rag.cli.options import ApiKey, AsJson, Config, DataDir, Url, in_utf8, load_settings
from rag.cli.output import place, say, say_json
from rag.cli.running import target

if TYPE_CHECKING:
    from openai import OpenAI

_PROBLEMS = {
    "contradicted": "the document says otherwise",
    "wrong_document": "another document says this",
    "stitched_quote": "put together from separate places of the document",
}
_UNSUPPORTED = "the document does not say this"


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.", callback=in_utf8)],
    *,
    collection: Annotated[
        str | None,
        typer.Option("-c", "--collection", help="Name or id of a collection. [default: default]", show_default=False),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask the running service a question.

    The answer streams; then come its citations, each checked against the source.
    """
    settings = load_settings(data_dir, config).settings
    with connected(target(settings, url=url, api_key=api_key), settings.server.request_timeout_s) as client:
        model = client.with_options(max_retries=0).models.list().data[0].id
        shown: Callable[[str], None] = (lambda _: None) if as_json else (lambda text: say(text, end=""))
        answer = _stream(client, model, question, collection, shown)
    if as_json:
        say_json({"question": question, "model": model, **answer})
        return
    say()
    for line in citation_lines(answer["answer"], answer["rag"].get("citations", ())):
        say(line)


# Any: `rag` and `usage` are the service's JSON, whose fields are handed on as they are.
def _stream(
    client: "OpenAI", model: str, question: str, collection: str | None, shown: Callable[[str], None]
) -> dict[str, Any]:
    """The whole answer, its `rag` field and its usage."""
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"rag": {"collection": collection}} if collection else None,
    )
    text: list[str] = []
    answer: dict[str, Any] = {"rag": {}, "usage": None}
    for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                text.append(choice.delta.content)
                shown(choice.delta.content)
        answer["rag"] = (chunk.model_extra or {}).get("rag") or answer["rag"]
        answer["usage"] = chunk.usage.model_dump() if chunk.usage else answer["usage"]
    return {"answer": "".join(text), **answer}


def citation_lines(text: str, citations: "list[dict[str, Any]]") -> Iterator[str]:
    """One line each, in the order of the answer `text`; the same citation is shown once."""
    seen = set()
    for citation in citations:
        line = _citation_line(text, citation)
        if line not in seen:
            seen.add(line)
            yield f"\n{line}" if len(seen) == 1 else line


def _citation_line(text: str, citation: Mapping[str, Any]) -> str:
    marker, document = citation["marker"] or "(found)", citation["document"]
    if citation["status"] == "unsupported":
        statement = " ".join(text[citation["start"] : citation["end"]].split())
        reason = _PROBLEMS.get(citation["problem"], _UNSUPPORTED)
        return f'{marker} {document} — "{statement}" (unsupported: {reason})'
    quote = " ".join(citation["quote"].split())
    return f'{marker} {place(document, citation["anchor"] or {})} — "{quote}" ({citation["status"]})'

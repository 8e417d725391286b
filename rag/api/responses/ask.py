"""What a Responses request asks: its conversation put together, and the documents that it is answered from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rag.api.access import find_collection, visible_collections
from rag.api.names import chat_model
from rag.api.responses.conversation import conversation
from rag.api.schemas.response_functions import may_search
from rag.api.schemas.response_tools import Tools
from rag.api.schemas.responses import ResponseRequest
from rag.api.wire import Json
from rag.ask import Ask
from rag.auth import Caller
from rag.errors import AskError, InvalidRequest
from rag.retrieve.filter import Compound, Filter
from rag.rooms import Rooms

_DEFAULT = "default"
_TRUNCATION = {"refuse": "disabled", "truncate": "auto"}  # the setting in OpenAI's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, ready for the pipeline."""

    ask: Ask
    input: tuple[Json, ...]  # the items that the client sent, references resolved
    previous: str | None  # the response that it continues
    shows_search: bool  # it named a `file_search` tool and may use it

    @property
    def opening(self) -> str:
        """What its conversation began with."""
        return next((message.content for message in self.ask.messages if message.role == "user"), "")


async def asked(
    body: ResponseRequest, caller: Caller, rooms: Rooms, *, request_id: str, collection: str | None
) -> Asked:
    """The ask of a request.

    collection: the header's.

    Raises:
        InvalidRequest: fields that contradict each other.
        NotFound: a model, collection, item or earlier response that does not exist for the caller.
    """
    body.check()
    tools = body.read_tools()
    search = tools.search if may_search(body.tool_choice) else None
    messages, items = await conversation(body, caller, rooms)
    sampling, searched = body.sampling(), await _collection(body, tools, collection, caller, rooms)
    body.rag.check_answer(
        documents=searched is not None,
        others={"text.format": sampling.response_format is not None, "tools": bool(tools.functions)},
    )
    ask = Ask(
        messages=messages,
        request_id=request_id,
        collection=searched,
        group=caller.group,
        key_id=caller.key_id or "",
        priority=caller.limits.priority,
        meter=caller.meter,
        top_k=(search.max_num_results if search else None) or body.rag.top_k,
        citations=body.rag.citations,
        filter=_filter(body, tools),
        min_score=search.min_score() if search else None,
        wants_files=True,
        answer=body.rag.answer,
        sampling=sampling,
        alias=chat_model(body.model, rooms).alias,
        is_cut=(body.truncation or _TRUNCATION[rooms.settings.server.history_overflow]) == "auto",
        tools=tools.functions,
        tool_choice=body.read_choice(tools),
    )
    return Asked(ask=ask, input=items, previous=body.previous_response_id, shows_search=search is not None)


@contextmanager
def names_input() -> Iterator[None]:
    """Nothing; what the pipeline says of `messages` is said of `input`, which they came from."""
    try:
        yield
    except AskError as error:
        if error.param == "messages":
            error.param = "input"
        raise


async def _collection(
    body: ResponseRequest, tools: Tools, header: str | None, caller: Caller, rooms: Rooms
) -> str | None:
    """The id of the collection that the answer comes from; None: the bare model answers."""
    model = chat_model(body.model, rooms)
    if tools.search:
        path = tools.search_path
        if not model.documents or body.rag.mode == "off":
            what, param = ("rag.mode = 'off'", "rag.mode") if model.documents else (f"{body.model!r}", "model")
            raise InvalidRequest(f"{what} never searches, and {path} asks for a search. Leave one out.", param=param)
        if not may_search(body.tool_choice):
            return None
        param = f"{path}.vector_store_ids"
        info = await find_collection(tools.search.vector_store_ids[0], caller, rooms, param=param)
        await rooms.blocking(rooms.library.refuse_expired, info)
        return info.id
    if not model.documents or body.rag.mode == "off":
        return None
    if name := body.rag.collection or header:
        return (await find_collection(name, caller, rooms, param="rag.collection" if body.rag.collection else None)).id
    return next((info.id for info in await visible_collections(caller, rooms) if info.name == _DEFAULT), None)


def _filter(body: ResponseRequest, tools: Tools) -> Filter | None:
    """What both the tool and our extension leave."""
    ours = body.rag.document_filter()
    theirs = tools.search.document_filter(tools.search_path) if tools.search else None
    return Compound(type="and", filters=(ours, theirs)) if ours and theirs else ours or theirs

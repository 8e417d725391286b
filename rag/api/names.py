"""Which names of models the service answers to."""

from dataclasses import dataclass, replace

from starlette.types import Scope

from rag.errors import EngineUnavailable, NotFound
from rag.rooms import Rooms

PLAIN = ":plain"  # suffix of a chat model's name: the bare model, no documents


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model as a request named it."""

    name: str
    documents: bool
    alias: str | None  # by which it was named; None: by its own name


def chat_model(name: str, rooms: Rooms) -> ChatModel:
    """What a request's `model` stands for.

    Raises:
        NotFound: nothing here has this name.
    """
    bare = name.removesuffix(PLAIN)
    if makes_embeddings(name, rooms):
        raise NotFound(
            f"The model {name!r} makes embeddings and writes nothing. Ask for it at /v1/embeddings; GET /v1/models "
            "lists the others.",
            param="model",
            code="model_not_found",
        )
    if bare not in _chat_names(rooms):
        raise unknown_model(name)
    return ChatModel(name, documents=bare == name, alias=None if rooms.fleet.find(bare) else bare)


def rooms_of_model(name: str, opening: str, rooms: Rooms, scope: Scope) -> Rooms:
    """The rooms of the chat model that a request's `model` stands for, which stays until the request is answered.

    opening: what the conversation began with: an alias of several models stands for one of them all through it.

    Raises:
        NotFound: nothing here has this name.
        EngineUnavailable: all its engines are drained.
    """
    bare = name.removesuffix(PLAIN)
    talk = f"{scope['caller'].group}\n{scope['caller'].key_id}\n{opening}"
    model = rooms.fleet.find(bare) or rooms.fleet.find(rooms.aliases.pick(bare, talk, _asked_first(rooms)) or "")
    if model is None:
        chat_model(name, rooms)  # says why
        raise unknown_model(name)
    if model.pool.is_leaving:
        raise EngineUnavailable(
            f"All engines of the model {model.name!r} are drained. Ask for another model: GET /v1/models lists them."
        )
    model.pool.n_asking += 1
    scope["asked"].append(model.pool)
    return replace(rooms, model=model)


def check_embedding_model(name: str, rooms: Rooms) -> None:
    """Refuse a name that is not the embedding model's.

    Raises:
        NotFound: nothing here has this name.
    """
    if name not in _embedding_names(rooms):
        raise unknown_model(name)


def all_names(rooms: Rooms) -> tuple[str, ...]:
    """Every name that is listed: chat model first, then its aliases, then the embedding model and its aliases."""
    return (*_chat_names(rooms), *_embedding_names(rooms))


def is_name(name: str, rooms: Rooms) -> bool:
    """Whether requests may carry this name. That of a chat model may have the suffix of the bare model."""
    return name in all_names(rooms) or name.removesuffix(PLAIN) in _chat_names(rooms)


def makes_embeddings(name: str, rooms: Rooms) -> bool:
    """Whether this is a name of the embedding model."""
    return name in _embedding_names(rooms)


def unknown_model(name: str) -> NotFound:
    """The error for a name that nothing here has."""
    return NotFound(
        f"The model {name!r} does not exist here. GET /v1/models lists what is served; models.aliases adds names.",
        param="model",
        code="model_not_found",
    )


def _chat_names(rooms: Rooms) -> tuple[str, ...]:
    served = [model.name for model in rooms.fleet.models]
    return tuple(dict.fromkeys([*served, *rooms.aliases.names_of(served)]))


def _asked_first(rooms: Rooms) -> list[str]:
    """The models that an alias may stand for now: ready ones; without one, those that may get ready."""
    models = rooms.fleet.models
    ready = [model.name for model in models if model.pool.ready()]
    return ready or [model.name for model in models if not model.pool.is_leaving] or [model.name for model in models]


def _embedding_names(rooms: Rooms) -> tuple[str, ...]:
    served = rooms.batcher.encoder.info.model
    return (served, *rooms.aliases.names_of([served]))

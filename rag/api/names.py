"""Which names of models the service answers to."""

from dataclasses import dataclass

from rag.errors import NotFound
from rag.rooms import Rooms

PLAIN = ":plain"  # suffix of a chat model's name: the bare model, no documents


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model as a request named it."""

    name: str
    documents: bool


def chat_model(name: str, rooms: Rooms) -> ChatModel:
    """What a request's `model` stands for.

    Raises:
        NotFound: nothing here has this name.
    """
    bare = name.removesuffix(PLAIN)
    if bare not in _chat_names(rooms):
        raise _unknown(name)
    return ChatModel(name, documents=bare == name)


def check_embedding_model(name: str, rooms: Rooms) -> None:
    """Refuse a name that is not the embedding model's.

    Raises:
        NotFound: nothing here has this name.
    """
    served = rooms.batcher.encoder.info.model
    if name != served and rooms.settings.models.aliases.get(name) != served:
        raise _unknown(name)


def all_names(rooms: Rooms) -> tuple[str, ...]:
    """Every name that is listed: chat model first, then its aliases, then the embedding model and its aliases."""
    embedding = rooms.batcher.encoder.info.model
    aliases = rooms.settings.models.aliases
    return (*_chat_names(rooms), embedding, *(alias for alias, model in aliases.items() if model == embedding))


def _chat_names(rooms: Rooms) -> tuple[str, ...]:
    served = rooms.engine.model
    return (served, *(alias for alias, model in rooms.settings.models.aliases.items() if model == served))


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"The model {name!r} does not exist here. GET /v1/models lists what is served; models.aliases adds names.",
        param="model",
        code="model_not_found",
    )

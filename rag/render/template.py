"""A model's chat template as token ids with holes where the messages go."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from rag.errors import ConfigError
from rag.render.tokenizer import ChatTokenizer
from rag.types import Message, Role, Tokens

# Renders messages to text as the model expects them, ending where the model begins to speak.
Apply = Callable[[Sequence[Message]], str]

# From the private use area: no template trims, splits or escapes them.
_OPEN, _CLOSE = "\ue000", "\ue001"


class ChatTemplate:
    """Gives the markup around messages, so that their contents can be token arrays made earlier.

    `system_role` is False where the template refuses system messages, or puts them where a later turn would
    move them (some put them into the last user message): then the system text goes into the first user message.
    """

    def __init__(self, tokenizer: ChatTokenizer, apply: Apply) -> None:
        """Learn the template's habits from two short dialogues.

        Raises:
            ConfigError: no dialogue of user and assistant can be rendered by it.
        """
        self._tokenizer = tokenizer
        self._apply = apply
        self.pieces = lru_cache(maxsize=256)(self._pieces)
        self.system_role = self._is_stable(("system", "user"))
        if not self.system_role and not self._is_stable(("user",)):
            raise ConfigError(
                "The model's chat template does not keep earlier turns in place, so no prefix could be reused. "
                "Name another model, or give this one a template that appends."
            )

    def _pieces(self, roles: tuple[Role, ...]) -> tuple[Tokens, ...]:
        """The markup before each message and, last, after them all: `len(roles) + 1` token arrays."""
        return tuple(self._tokenizer.encode_markup(text) for text in self._texts(roles))

    def _texts(self, roles: tuple[Role, ...]) -> tuple[str, ...]:
        holes = [f"{_OPEN}{index}{_CLOSE}" for index in range(len(roles))]
        rest = self._apply([Message(role, hole) for role, hole in zip(roles, holes, strict=True)])
        texts = []
        for hole in holes:
            before, found, rest = rest.partition(hole)
            if not found:
                raise ConfigError(
                    f"The model's chat template drops or moves messages of the roles {roles!r}. Name another model."
                )
            texts.append(before)
        return (*texts, rest)

    def _is_stable(self, roles: tuple[Role, ...]) -> bool:
        try:
            short = self._texts(roles)
            long = self._texts((*roles, "assistant", "user"))
        except (ConfigError, ValueError):
            return False
        # What follows the last message may end in the words that open the answer; up to the answer all must stay.
        return long[: len(roles)] == short[:-1] and _common(short[-1], long[len(roles)]) > 0


def _common(left: str, right: str) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )

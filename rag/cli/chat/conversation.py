"""A conversation with the service: what was said, and with which model and collection it goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rag.cli.client import connected
from rag.cli.running import Target
from rag.cli.stream import stream_answer

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

# Any: JSON of the service.
Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Conversation:
    """Every turn is sent as it was answered, so that the engine still holds what stands before the next one."""

    service: Target
    timeout_s: float
    collection: str | None  # None: the service's default
    model: str = ""
    last: Json | None = None  # the last answer
    messages: "list[ChatCompletionMessageParam]" = field(default_factory=list)

    def ask(self, question: str, shown: Callable[[str], None]) -> Json:
        """The answer, its `rag` field and its usage. An interrupt ends the answer where it is, with `stopped`.

        shown: gets every piece of text as it comes.

        Raises:
            RagError: there is no answer, or it broke off. The question is forgotten then.
        """
        asked: list[ChatCompletionMessageParam] = [*self.messages, {"role": "user", "content": question}]
        pieces: list[str] = []

        def keep(text: str) -> None:
            pieces.append(text)
            shown(text)

        try:
            # A connection each: one that an interrupt has ended is in no state to be used again.
            with connected(self.service, self.timeout_s) as client:
                answer = stream_answer(client, self.model, asked, self.collection, keep)
        except KeyboardInterrupt:
            answer = {"answer": "".join(pieces), "rag": {}, "usage": None, "stopped": True}
        if answer["answer"]:  # a turn without any text would be refused as history
            self.messages = [*asked, {"role": "assistant", "content": answer["answer"]}]
        self.last = answer
        return answer

    def begin_anew(self) -> None:
        """Nothing; no turn is known."""
        self.messages = []
        self.last = None

    def models(self) -> list[str]:
        """Every name that the service answers to, the chat model first.

        Raises:
            RagError: the service is not there, or refuses.
        """
        with connected(self.service, self.timeout_s) as client:
            return [model.id for model in client.with_options(max_retries=0).models.list().data]

    def collections(self) -> list[str]:
        """The names of all collections that may be seen.

        Raises:
            RagError: the service is not there, or refuses.
        """
        with connected(self.service, self.timeout_s) as client:
            return sorted(store.name or store.id for store in client.vector_stores.list(limit=100))

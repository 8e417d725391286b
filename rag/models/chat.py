"""The chat model's tokenizer and template, loaded by transformers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.errors import ConfigError
from rag.types import Message

# For models without a chat template (base models): readable, and it appends.
_FALLBACK_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
# Some templates write today's date into the system message: every prefix would be lost at midnight.
_FIXED_DATE = "1 January 2025"


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a prompt is made with: the contents of `tokenizer.json`, and the chat template as a function."""

    tokenizer_json: str
    apply_template: Callable[[Sequence[Message]], str]


def load_chat_format(source: str) -> ChatFormat:
    """The tokenizer and template of the model at `source`, a folder or a hub name.

    Raises:
        ConfigError: nothing that can be loaded is there, or it has no tokenizer.json.
    """
    # A heavy import stays in here: `rag --help` must not load it.
    from jinja2 import TemplateError
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"The tokenizer of the model {source!r} cannot be loaded: {str(error).splitlines()[0]}. "
            "Name a folder that holds one, or a name that this machine has or can fetch."
        ) from None
    if not tokenizer.is_fast:
        raise ConfigError(f"The model {source!r} has no tokenizer.json. Convert its tokenizer, or name another model.")
    template = tokenizer.chat_template or _FALLBACK_TEMPLATE

    def apply(messages: Sequence[Message]) -> str:
        try:
            return str(
                tokenizer.apply_chat_template(
                    [{"role": message.role, "content": message.content} for message in messages],
                    chat_template=template,
                    tokenize=False,
                    add_generation_prompt=True,
                    date_string=_FIXED_DATE,
                    strftime_now=lambda _: _FIXED_DATE,
                )
            )
        except TemplateError as error:
            raise ValueError(str(error)) from None

    return ChatFormat(tokenizer.backend_tokenizer.to_str(), apply)

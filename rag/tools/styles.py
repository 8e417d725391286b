"""How families of models write calls, and what of a model's text can be none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Where in a text a JSON object is a call. Its members are `name`, and `arguments` or `parameters`."""

    opening: str = ""  # the tag before a call; without one, calls are all there is from the text's first character on
    closing: str = ""  # the tag behind it
    ignored: str = ""  # a tag that says nothing
    between: str = ""  # characters, besides white space, that may stand between calls
    is_strict: bool = False  # an object with other members before its name is no call, so it can be let go of at once
    banned: tuple[str, ...] = ()  # words that begin calls, kept from the model where none is allowed

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags."""
        return tuple(tag for tag in (self.opening, self.closing, self.ignored) if tag)


STYLES = {
    # Hermes 2 Pro and on, Qwen 2.5 and on, and many others.
    "hermes": Style(opening="<tool_call>", closing="</tool_call>", banned=("<tool_call>",)),
    # Llama 3.1 and on: the answer is a call, or several with semicolons between.
    "llama3_json": Style(ignored="<|python_tag|>", between=";", banned=("<|python_tag|>", '{"name"')),
    # What a schema makes of any model: a call or a list of calls, or an answer that is JSON itself.
    "json": Style(between="[],", is_strict=True),
}

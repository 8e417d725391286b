"""What stands in front of a chunk's text where it is embedded: what the whole document is about. Pure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHARS = 200  # of a title; a longer one is a sentence, and says what the text says
_MARKUP = "#*_= \t\n"


class Contexts:
    """Gives contexts for one encoder."""

    def __init__(self, tokenizer: "Tokenizer", window_tokens: int) -> None:
        """window_tokens: what the encoder reads of a text, special tokens not counted."""
        self._tokenizer = tokenizer
        self._window_tokens = window_tokens

    def context(self, title: str | None, text: str) -> str:
        """The title; nothing where `text` begins with it, or where the encoder would not read to the end of both.

        The name of a file is no title here: a file that is renamed keeps its vectors.
        """
        words = " ".join((title or "").split())[:_CHARS]
        if not words or text.lstrip(_MARKUP).casefold().startswith(words.casefold()):
            return ""
        return words if self._fits(f"{words}\n{text}") else ""

    def _fits(self, text: str) -> bool:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids) <= self._window_tokens

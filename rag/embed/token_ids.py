"""Texts that come as token ids."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.errors import InvalidRequest

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def text_of(ids: Sequence[int], tokenizer: "Tokenizer", *, param: str) -> str:
    """A text that `tokenizer` turns into exactly `ids`, with its special tokens or without.

    What a client's own tokenizer numbers otherwise would be decoded to another text, and its vector would be wrong
    without anybody noticing. So ids that do not survive the way to text and back are refused.

    param: names the ids in the error.

    Raises:
        InvalidRequest: `ids` are not this tokenizer's.
    """
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    for token in ids:
        if not 0 <= token < size:
            raise _not_ours(f"{token} is not among its {size} ids", param)
    bare = _without_frame(list(ids), tokenizer)
    text: str = tokenizer.decode(bare, skip_special_tokens=False)
    if not bare or tokenizer.encode(text, add_special_tokens=False).ids != bare:
        raise _not_ours("read as its ids they are a text that it writes with others", param)
    return text


def _without_frame(ids: list[int], tokenizer: "Tokenizer") -> list[int]:
    """`ids` without the special tokens that the tokenizer puts around every text."""
    bare, framed = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
    n_before = framed.index(bare[0])
    n_after = len(framed) - n_before - len(bare)
    end = len(ids) - n_after
    if ids[:n_before] == framed[:n_before] and ids[end:] == framed[n_before + len(bare) :]:
        return ids[n_before:end]
    return ids


def _not_ours(reason: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"{param} holds token ids that are not of the embedding model's tokenizer: {reason}. "
        "Send the text itself (langchain-openai: check_embedding_ctx_length=False).",
        param="input",
        code="invalid_token_ids",
    )

"""Token ids of an answer turned into text as they come."""

from dataclasses import replace

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from rag.types import Delta, Tokens

# Prompt tokens before an answer that may change how its first ones read; vLLM takes 5, and 2 for control ones.
_TAIL = 7
_LARGEST = 2**32 - 1  # what the library takes for an id; those that the vocabulary lacks have no text
_HALF = "\N{REPLACEMENT CHARACTER}"  # what it gives for bytes that are no character yet
_NO_PREFIX = "Invalid prefix encountered"


class Detokenizer:
    """The text of one answer, the same as vLLM makes of it.

    A character whose bytes are spread over tokens comes with the last of them. A step decodes a handful of tokens,
    microseconds, so it is made where the answer is read.

    Source: vLLM 0.32, v1/engine/detokenizer.py.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Tokens, *, special_tokens: bool = False) -> None:
        """Get ready for the answer to a prompt. The end of it decides, for one, whether a first space is kept.

        special_tokens: whether control tokens have a text.
        """
        tail = [token_id for token_id in prompt[-_TAIL:] if 0 <= token_id <= _LARGEST]
        if tokenizer.decode(tail, skip_special_tokens=not special_tokens).endswith(_HALF):
            tail = []  # else it would come out with the answer: vLLM 0.32 writes the whole prompt there
        self._tokenizer = tokenizer
        self._special_tokens = special_tokens
        self._stream = DecodeStream(ids=tail, skip_special_tokens=not special_tokens)

    def spoken(self, delta: Delta) -> Delta:
        """The piece with its text. The token that ends an answer is no part of it."""
        token_ids = delta.token_ids[:-1] if delta.finish_reason == "stop" else delta.token_ids
        return replace(delta, text=self.feed(token_ids))

    def feed(self, token_ids: Tokens) -> str:
        """The text that these tokens complete."""
        return "".join(self._step(token_id) for token_id in token_ids if 0 <= token_id <= _LARGEST)

    def _step(self, token_id: int) -> str:
        try:
            return self._stream.step(self._tokenizer, token_id) or ""
        except Exception as error:  # the library has no other class for it
            if not str(error).startswith(_NO_PREFIX):
                raise
            # Single bytes may read otherwise with others behind them, which the stream cannot take back.
            # https://github.com/vllm-project/vllm/issues/17448
            self._stream = DecodeStream(skip_special_tokens=not self._special_tokens)
            return self._stream.step(self._tokenizer, token_id) or ""

"""Text to token ids in two ways: trusted markup, and text from documents and users that cannot become markup."""

import hashlib
import json
import re

from tokenizers import Tokenizer

from rag.types import Tokens

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")  # how vocabularies of words name a byte of what they lack


def _bytes_of_byte_level() -> dict[str, bytes]:
    """What each character of a byte-level vocabulary stands for: itself if it is visible, else the next free one."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    shifted = {chr(256 + index): bytes([byte]) for index, byte in enumerate(others)}
    return {chr(byte): bytes([byte]) for byte in visible} | shifted


_BYTE_OF = _bytes_of_byte_level()


class ChatTokenizer:
    """The chat model's tokenizer.

    `encode_markup` reads control tokens such as `<|im_start|>`. `encode_text` never yields one: it runs on a
    copy of the tokenizer without any added token, and what the model's own vocabulary could still spell (some
    vocabularies hold their control tokens as words) is cut in two until it does not.
    """

    def __init__(self, tokenizer_json: str) -> None:
        """Take the contents of a `tokenizer.json`."""
        self._markup: Tokenizer = Tokenizer.from_str(tokenizer_json)
        self._markup.no_truncation()
        self._markup.no_padding()
        description = json.loads(tokenizer_json)
        # White space is listed as added tokens by some models; it is text all the same.
        self.control_ids = frozenset(
            token["id"] for token in description.get("added_tokens", ()) if token["content"].strip()
        )
        description["added_tokens"] = []
        description["post_processor"] = None
        description["truncation"] = description["padding"] = None
        plain = json.dumps(description, ensure_ascii=False)
        self._text: Tokenizer = Tokenizer.from_str(plain)
        self._is_byte_level = '"ByteLevel"' in json.dumps(description.get("decoder"))
        # What ids a text gets depends on nothing else, so token arrays are stored under this name.
        self.fingerprint = hashlib.sha256(tokenizer_json.encode()).hexdigest()[:16]

    @property
    def backend(self) -> Tokenizer:
        """The library's own tokenizer with all tokens, for reading what a model writes. Not to be changed."""
        return self._markup

    def encode_markup(self, text: str) -> Tokens:
        """Ids of text that we or the chat template wrote."""
        return tuple(self._markup.encode(text, add_special_tokens=False).ids)

    def encode_prompt(self, text: str) -> Tokens:
        """Ids of a whole prompt, for which its author answers: control tokens in it are read as such."""
        return tuple(self._markup.encode(text, add_special_tokens=True).ids)

    @property
    def n_vocabulary(self) -> int:
        """Ids are below this."""
        return int(self._markup.get_vocab_size(with_added_tokens=True))

    def token_bytes(self, token_id: int) -> bytes:
        """What a token adds to a text in UTF-8: of some characters, a token is only a part."""
        token = self._markup.id_to_token(token_id)
        if token is None:  # vocabularies are padded
            return b""
        if token_id in self.control_ids:
            return bytes(token.encode())
        if self._is_byte_level:
            return b"".join(_BYTE_OF[char] if char in _BYTE_OF else char.encode() for char in token)
        if byte := _BYTE_TOKEN.fullmatch(token):
            return bytes.fromhex(byte[1])
        return bytes(token.replace("▁", " ").encode())

    def encode_text(self, text: str) -> Tokens:
        """Ids of text that anybody may have written. Never a control token."""
        encoding = self._text.encode(text, add_special_tokens=False)
        bad = next((index for index, token in enumerate(encoding.ids) if token in self.control_ids), None)
        if bad is None:
            return tuple(encoding.ids)
        start, end = encoding.offsets[bad]
        if end - start < 2:  # one character that is a control token by itself cannot be cut; it is left out
            return self.encode_text(text[:start]) + self.encode_text(text[max(end, start + 1) :])
        middle = (start + end) // 2
        return self.encode_text(text[:middle]) + self.encode_text(text[middle:])

    def decode(self, ids: Tokens) -> str:
        """The text of ids, control tokens included."""
        return str(self._markup.decode(list(ids), skip_special_tokens=False))

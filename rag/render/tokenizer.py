"""Text to token ids in two ways: trusted markup, and text from documents and users that cannot become markup."""

import hashlib
import json

from tokenizers import Tokenizer

from rag.types import Tokens


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
        # What ids a text gets depends on nothing else, so token arrays are stored under this name.
        self.fingerprint = hashlib.sha256(tokenizer_json.encode()).hexdigest()[:16]

    def encode_markup(self, text: str) -> Tokens:
        """Ids of text that we or the chat template wrote."""
        return tuple(self._markup.encode(text, add_special_tokens=False).ids)

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

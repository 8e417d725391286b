"""An encoder without weights: a hashed bag of words. Texts that share words are near each other."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from rag.embed.base import Vectors
from rag.types import EmbeddingInfo

FAKE_MODEL = "fake"  # its name in the settings
_WORD = re.compile(r"\w+")
_DIMENSIONS = 64


class FakeEncoder:
    """For tests and dry runs. `n_encoded` counts the texts it was asked for."""

    def __init__(self, model: str = FAKE_MODEL, *, shorter_dimensions: Sequence[int] = ()) -> None:
        """Give it another name to stand for another model, and lengths to stand for one that was trained for them."""
        self._info = EmbeddingInfo(model=model, dimensions=_DIMENSIONS, dtype="float32")
        self._tokenizer = Tokenizer(models.WordLevel({"[WORD]": 0}, unk_token="[WORD]"))  # noqa: S106 - not a password
        self._tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self._shorter_dimensions = tuple(shorter_dimensions)
        self.n_encoded = 0

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and type."""
        return self._info

    @property
    def tokenizer(self) -> Tokenizer:
        """A tokenizer that counts words and marks."""
        return self._tokenizer

    @property
    def max_tokens(self) -> int:
        """Longest text that is read."""
        return 512

    @property
    def shorter_dimensions(self) -> Sequence[int]:
        """Lengths that its vectors may be cut to."""
        return self._shorter_dimensions

    @property
    def at_once(self) -> int:
        """How many threads may call at a time."""
        return 1

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""
        self.n_encoded += len(texts)
        vectors: Vectors = np.zeros((len(texts), _DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0] = 0.1  # no text has a zero vector
            for word in _WORD.findall(text.lower()):
                vectors[row, 1 + zlib.crc32(word.encode()) % (_DIMENSIONS - 1)] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = (vectors / lengths).astype(np.float32)
        return unit

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
        return self.encode_documents(texts)

    def close(self) -> None:
        """Nothing; a call under way is soon done."""

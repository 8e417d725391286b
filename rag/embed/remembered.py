"""An encoder that is loaded only when a text must be embedded. What it was last time lies in a file."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embed.base import Encoder, Vectors
from rag.errors import CorpusError
from rag.settings import EmbeddingSettings
from rag.types import EmbeddingInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """All that an ingest which embeds nothing asks of an encoder."""

    model: str
    dimensions: int
    dtype: str
    max_tokens: int
    tokenizer: str  # the contents of its tokenizer.json


class RememberedEncoder:
    """Answers from its file until a vector is asked for: loading a model takes seconds, most ingests need none.

    What it says without loading may be wrong, if the model's folder was exchanged or the file comes from another
    machine. So the first vector compares, and refuses where model and file differ: vectors are never mixed.
    """

    def __init__(self, load: Callable[[], Encoder], file: Path) -> None:
        """load: makes the real encoder. file: need not exist yet."""
        self._load = load
        self._file = file
        self._facts = _read(file)
        self._encoder: Encoder | None = None

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""
        return _info(self._known())

    @property
    def tokenizer(self) -> "Tokenizer":
        """The model's tokenizer without truncation or padding."""
        from tokenizers import Tokenizer

        tokenizer: Tokenizer = Tokenizer.from_str(self._known().tokenizer)
        return tokenizer

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included."""
        return self._known().max_tokens

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to. No ingest cuts them, so the file does not have them."""
        return self._loaded().shorter_dimensions

    @property
    def at_once(self) -> int:
        """How many threads may call at a time, once it is loaded: this loads it.

        Raises:
            CorpusError: the model is not what the file says; the file is right from then on.
        """
        return self._loaded().at_once

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given.

        Raises:
            CorpusError: the model is not what the file says; the file is right from then on.
        """
        return self._loaded().encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given.

        Raises:
            CorpusError: the model is not what the file says; the file is right from then on.
        """
        return self._loaded().encode_queries(texts)

    def close(self) -> None:
        """Nothing; a call under way ends soon with `CancelledError`."""
        if self._encoder:
            self._encoder.close()

    def _known(self) -> _Facts:
        if self._facts is None:
            self._facts = _facts_of(self._loaded())
        return self._facts

    def _loaded(self) -> Encoder:
        if self._encoder is None:
            encoder = self._load()
            facts = _facts_of(encoder)
            said, self._facts = self._facts, facts
            if said != facts:
                _write(self._file, facts)
            if said is not None and said != facts:
                raise CorpusError(
                    f"The embedding model {facts.model!r} is not what it was when it was last loaded "
                    f"({_brief(said)}; now {_brief(facts)}). Nothing was changed: run the same command again."
                )
            self._encoder = encoder
        return self._encoder


def remembered_file(data_dir: Path, settings: EmbeddingSettings, source: str) -> Path:
    """Where the facts of the encoder that is loaded from `source` with these settings lie."""
    key = hashlib.sha256(json.dumps([source, settings.model, settings.device, settings.dtype]).encode()).hexdigest()
    return data_dir / "models" / f"encoder-{key[:16]}.json"


def remembered_info(file: Path) -> EmbeddingInfo | None:
    """What the encoder was when it was last loaded; None if it never was."""
    facts = _read(file)
    return _info(facts) if facts else None


def _info(facts: _Facts) -> EmbeddingInfo:
    return EmbeddingInfo(model=facts.model, dimensions=facts.dimensions, dtype=facts.dtype)


def _brief(facts: _Facts) -> str:
    digest = hashlib.sha256(facts.tokenizer.encode()).hexdigest()[:8]
    return f"{facts.dimensions} dimensions, {facts.dtype}, {facts.max_tokens} tokens, tokenizer {digest}"


def _facts_of(encoder: Encoder) -> _Facts:
    info = encoder.info
    return _Facts(
        model=info.model,
        dimensions=info.dimensions,
        dtype=info.dtype,
        max_tokens=encoder.max_tokens,
        tokenizer=encoder.tokenizer.to_str(),
    )


def _read(file: Path) -> _Facts | None:
    try:
        return _Facts(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # not there or damaged: the model is loaded and it is written anew
        return None


def _write(file: Path, facts: _Facts) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(asdict(facts)), "utf-8")
    temporary.replace(file)

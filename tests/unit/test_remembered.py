"""An encoder is loaded once for its facts, and after that only for vectors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rag.embed import FakeEncoder
from rag.embed.remembered import RememberedEncoder, remembered_file, remembered_info
from rag.errors import CorpusError
from rag.settings import EmbeddingSettings


class Loads:
    """Loads encoders and counts them."""

    def __init__(self, model: str = "fake") -> None:
        self.model = model
        self.n = 0

    def __call__(self) -> FakeEncoder:
        self.n += 1
        return FakeEncoder(self.model)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models/encoder.json"


@pytest.fixture
def known(file: Path) -> Path:
    """The file after a fake encoder was loaded once."""
    assert RememberedEncoder(Loads(), file).max_tokens == FakeEncoder().max_tokens
    return file


def test_the_first_fact_loads_once(file: Path) -> None:
    loads = Loads()
    encoder = RememberedEncoder(loads, file)

    assert encoder.info == FakeEncoder().info
    assert encoder.max_tokens == FakeEncoder().max_tokens
    assert encoder.encode_documents(["a"]).shape == (1, 64)
    assert loads.n == 1


def test_known_facts_load_nothing(known: Path) -> None:
    loads = Loads()
    encoder = RememberedEncoder(loads, known)

    assert encoder.info == FakeEncoder().info == remembered_info(known)
    assert encoder.max_tokens == FakeEncoder().max_tokens
    assert encoder.tokenizer.encode("red door").tokens == FakeEncoder().tokenizer.encode("red door").tokens
    assert loads.n == 0


@pytest.mark.parametrize("encode", ["encode_documents", "encode_queries"])
def test_vectors_are_the_models(known: Path, encode: str) -> None:
    loads = Loads()
    encoder = RememberedEncoder(loads, known)
    call: Callable[[list[str]], object] = getattr(encoder, encode)

    assert (call(["red door"]) == FakeEncoder().encode_documents(["red door"])).all()
    assert loads.n == 1


def test_another_model_is_refused_once_and_known_afterwards(known: Path) -> None:
    with pytest.raises(CorpusError, match="run the same command again"):
        RememberedEncoder(Loads("other"), known).encode_documents(["a"])

    again = RememberedEncoder(Loads("other"), known)
    assert again.info.model == "other"
    assert len(again.encode_documents(["a"])) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 1', "\xff"])
def test_a_damaged_file_is_made_anew(known: Path, text: str) -> None:
    known.write_text(text, "latin-1")
    loads = Loads()

    assert remembered_info(known) is None
    assert RememberedEncoder(loads, known).info == FakeEncoder().info
    assert loads.n == 1
    assert remembered_info(known) == FakeEncoder().info


def test_each_way_to_compute_has_its_own_file(tmp_path: Path) -> None:
    ways = [EmbeddingSettings(), EmbeddingSettings(device="cpu"), EmbeddingSettings(dtype="float32")]
    files = {remembered_file(tmp_path, way, source) for way in ways for source in ("one", "two")}

    assert len(files) == 6

"""What is worked out from a model's configuration, against what vLLM says of its own cache."""

from pathlib import Path

import pytest

from rag.capacity import read_shape
from rag.processor import has_bfloat16

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

CACHE_BYTES = 2 * 2**30  # engine.kv_cache_gib of a CPU engine, unless it is set


def test_tokens_that_the_cache_holds_are_as_worked_out(service, tiny_model: Path) -> None:
    engine = service.ready()["engines"][0]
    bytes_each = 2 if has_bfloat16() else 4  # of a key or a value
    block_bytes = engine["block_size"] * read_shape(str(tiny_model), "tiny").kv_bytes(bytes_each=bytes_each)

    assert engine["kv_tokens"] == CACHE_BYTES // block_bytes * engine["block_size"]

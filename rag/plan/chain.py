"""Names of blocks, as vLLM chains them: each block's name includes all that stands before it."""

import hashlib
from array import array
from collections.abc import Sequence

BlockName = bytes


def block_chain(token_ids: Sequence[int], block_size: int, salt: str) -> tuple[BlockName, ...]:
    """Names of the full blocks of a prompt; a last, partly filled block has none.

    Two prompts share a name exactly if all their tokens up to that block's end, and their salts, are equal.

    Source: vLLM 0.32, v1/core/kv_cache_utils.py (parent hash, token ids, extra keys). The names are our own:
    nothing here depends on how an engine spells them.
    """
    return continue_chain(root_name(salt), token_ids, block_size)


def root_name(salt: str) -> BlockName:
    """What stands before the first block of every prompt with this salt."""
    return _name(salt.encode())


def continue_chain(name: BlockName, token_ids: Sequence[int], block_size: int) -> tuple[BlockName, ...]:
    """Names of the full blocks of `token_ids` that follow the block called `name`."""
    tokens = array("I", token_ids)
    names = []
    for start in range(0, len(tokens) - block_size + 1, block_size):
        name = _name(name + tokens[start : start + block_size].tobytes())
        names.append(name)
    return tuple(names)


def _name(content: bytes) -> BlockName:
    return hashlib.blake2b(content, digest_size=16).digest()

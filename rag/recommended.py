"""Settings that the embedded chat model does better with than with the defaults. Whatever anybody sets is stronger."""

from collections.abc import Mapping

from rag.trees import Tree

_EMBEDDED = "SmolLM2-135M-Instruct"
# A model of this size loses the answer among passages. Of 200 squad questions (half a) it answered 0.27 with a topic
# of 2,000 tokens before the hits, and 0.38 with the four best passages alone (2026-11; docs/quality.md).
_FOR_EMBEDDED = {"retrieve": {"top_k": 4}, "prompt": {"topic_tokens": 0}}


def recommended(given: Tree) -> Tree:
    """The tree of settings for the model that the given settings name; empty for any but the embedded one."""
    engine = given.get("engine", {})
    if not isinstance(engine, Mapping) or engine.get("urls"):  # what others' engines serve is not known here
        return {}
    return _FOR_EMBEDDED if engine.get("model", _EMBEDDED) == _EMBEDDED else {}

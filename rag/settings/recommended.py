"""Settings that the embedded chat model does better with than with the defaults. Whatever anybody sets is stronger."""

from collections.abc import Mapping

from rag.settings.trees import Tree

_EMBEDDED = "SmolLM2-135M-Instruct"
# A model of this size loses the answer among passages, so the likeliest sentences are pointed out: without its adapter
# it copies the first of them and gets lost among more; with it, it was trained to choose among three or to refuse.
# Source: docs/quality.md.
_FOR_EMBEDDED = {
    _EMBEDDED: {"retrieve": {"top_k": 5}, "prompt": {"pointed_out": 3}},
    f"{_EMBEDDED}-bare": {"retrieve": {"top_k": 4}, "prompt": {"pointed_out": 1}},
}


def recommended(given: Tree) -> Tree:
    """The tree of settings for the model that the given settings name; empty for any but the embedded one."""
    engine = given.get("engine", {})
    if not isinstance(engine, Mapping) or engine.get("urls"):  # what others' engines serve is not known here
        return {}
    return _FOR_EMBEDDED.get(str(engine.get("model", _EMBEDDED)), {})

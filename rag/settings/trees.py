"""Nested mappings, as settings come in: read at a path, and laid one over the other."""

from collections.abc import Mapping
from typing import Annotated

Tree = Mapping[str, object]
MISSING: Annotated[object, "no such key"] = object()


def value_at(tree: object, path: tuple[str, ...]) -> object:
    """What stands at the end of a path of keys, or MISSING."""
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return MISSING
        tree = tree[part]
    return tree


def merged_trees(weak: Tree, strong: Tree) -> dict[str, object]:
    """Both trees as one; where both have a value, the strong one's."""
    merged = dict(weak)
    for name, value in strong.items():
        old = merged.get(name)
        merged[name] = merged_trees(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged

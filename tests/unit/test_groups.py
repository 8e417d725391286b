"""Which groups' prefixes are computed ahead."""

from rag.groups import Groups
from rag.types import CollectionId

DOCS, NOTES = CollectionId("vs_1"), CollectionId("vs_2")


def test_before_anyone_asked_it_is_the_owners_prefix() -> None:
    assert Groups().seen(DOCS, "owner") == ("owner",)


def test_then_it_is_whoever_asked_this_collection_the_last_one_first() -> None:
    groups = Groups()
    for group in ("a", "b", "a"):
        groups.note(group, DOCS)
    groups.note("c", NOTES)
    assert groups.seen(DOCS, "owner") == ("a", "b")
    assert groups.seen(NOTES, "owner") == ("c",)


def test_a_group_that_has_not_asked_for_long_is_forgotten() -> None:
    groups = Groups()
    for number in range(20):
        groups.note(str(number), DOCS)
    assert groups.seen(DOCS, "owner") == tuple(str(number) for number in range(19, 11, -1))

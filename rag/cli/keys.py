"""`rag keys`: who may use the service, for what, and how much."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json, say_table
from rag.types import Priority

if TYPE_CHECKING:
    from rag.auth import Keys, Scope
    from rag.settings import Settings
    from rag.store import CollectionInfo, Grant, KeyLimits, KeyRecord

_CREATE_EXAMPLE = (
    "\b\nExample:\n"
    "  rag keys create --name 'support bot' --group support --requests-per-minute 60\n"
    "  rag keys create --name prometheus --scopes admin --expires 90d"
)
_ALL = "all of the group"

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.", rich_markup_mode=None)


@app.command(epilog=_CREATE_EXAMPLE)
def create(
    *,
    name: Annotated[str, typer.Option(help="What the key is for.", show_default=False)],
    group: Annotated[
        str, typer.Option(help="Access group: its collections are seen, its cache is shared.")
    ] = "default",
    collections: Annotated[
        str | None,
        typer.Option(
            help="Names or ids, joined by commas, that alone are seen. [default: all of the group's]",
            show_default=False,
        ),
    ] = None,
    scopes: Annotated[
        str, typer.Option(help="Some of chat, embeddings, ingest, admin, joined by commas.")
    ] = "chat,embeddings,ingest",
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests in a minute. Unset: no limit.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Tokens of prompts and answers in a minute. Unset: no limit.")
    ] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Requests at the same time. Unset: no limit.")] = None,
    priority: Annotated[
        Priority, typer.Option(help="Who goes first when requests wait; low ones wait as long as they must.")
    ] = Priority.NORMAL,
    expires: Annotated[
        str | None,
        typer.Option(help="12h, 30d or 8w from now, or a date (UTC, from midnight). Unset: never.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    A running service knows it at once. From the first key on, every request needs one.
    """
    import time

    from rag.auth import caller_of, expiry
    from rag.store import KeyLimits

    settings = load_settings(data_dir, config).settings
    expires_at = expiry(expires, time.time()) if expires is not None else None
    infos = _collections(settings)
    with _keys(settings) as keys:
        record, key = keys.create(
            name,
            group=group,
            collections=_grants(collections, group, infos),
            scopes=_scopes(scopes),
            limits=KeyLimits(
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                concurrent=concurrent,
                priority=priority,
            ),
            expires_at=expires_at,
        )
    caller = caller_of(record)
    if not any(caller.may_see(info.id, info.name, info.group) for info in infos):
        note(f"note: this key sees no collection now. {_cure(record, infos)}")
    if as_json:
        say_json({"id": record.id, "key": key, **_facts(record)})
        return
    say(key)
    note(f"Keep it: only its hash is stored. `rag keys revoke {record.id}` ends it.")


@app.command("list", epilog="\b\nExample:\n  rag keys list --json")
def list_(*, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """List all keys, those that were revoked or have expired too."""
    from rag.auth import iso

    with _keys(load_settings(data_dir, config).settings) as keys:
        found = [(record, keys.state(record).value) for record in keys.all()]
    if as_json:
        say_json({"keys": [_listed(record, state) for record, state in found]})
    elif found:
        say_table(
            ("id", "name", "state", "group", "collections", "scopes", "limits", "expires"),
            [
                (
                    each.id,
                    each.name,
                    state,
                    each.group,
                    _ALL if each.collections is None else ", ".join(grant.name for grant in each.collections),
                    ", ".join(each.scopes),
                    _limits(each.limits),
                    iso(each.expires_at) if each.expires_at else None,
                )
                for each, state in found
            ],
        )
    else:
        say("There are no keys. Make one with `rag keys create --name NAME`.")


@app.command(epilog="\b\nExample:\n  rag keys revoke 5f2a90c41d7e")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a key, or the whole key.")],
    *,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key. A running service refuses it from its next request on."""
    with _keys(load_settings(data_dir, config).settings) as keys:
        record = keys.revoke(key_id)
    if as_json:
        say_json({"revoked": {"id": record.id, "name": record.name}})
    else:
        say(f"{'Revoked' if record.revoked is None else 'Was revoked before:'} {record.id} ({record.name}).")


@contextmanager
def _keys(settings: "Settings") -> "Iterator[Keys]":
    from rag.auth import Keys
    from rag.store import KeyStore

    keys = Keys(KeyStore(settings.data_dir))
    try:
        yield keys
    finally:
        keys.close()


def _collections(settings: "Settings") -> "tuple[CollectionInfo, ...]":
    from rag.store import Store

    store = Store(settings.data_dir)
    try:
        return store.collections()
    finally:
        store.close()


def _scopes(text: str) -> "tuple[Scope, ...]":
    from rag.auth import Scope

    words = _words(text)
    unknown = [word for word in words if word not in set(Scope)]
    if unknown:
        raise typer.BadParameter(f"there is no scope {unknown[0]!r}; there are {', '.join(Scope)}")
    return tuple(map(Scope, words))


def _grants(text: str | None, group: str, infos: "tuple[CollectionInfo, ...]") -> "list[Grant] | None":
    """What the words stand for: ids as they are, names of the group's collections as names, others by their id now."""
    if text is None:
        return None
    from rag.store import Grant

    words = _words(text)
    if not words:
        raise typer.BadParameter("--collections names none; leave it out for all of the group's")
    grants = []
    for word in words:
        named = [info for info in infos if word in {info.id, info.name}]
        own = any(info.group == group and info.name == word for info in named)
        grants.append(Grant(name=word, id=None if own or not named else named[0].id))
    return grants


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (word.strip() for word in text.split(",")))))


def _cure(record: "KeyRecord", infos: "tuple[CollectionInfo, ...]") -> str:
    if record.collections is not None:
        names = ", ".join(repr(each.name) for each in record.collections)
        return f"Nothing is named {names}; what group {record.group!r} names so later will be seen."
    owners = sorted({info.group for info in infos})
    others = f" Collections of other groups ({', '.join(owners)}) are seen with --collections." if owners else ""
    return f"`rag ingest PATH -c NAME --group {record.group}` makes one.{others}"


def _facts(record: "KeyRecord") -> dict[str, object]:
    from rag.auth import iso

    return {
        "name": record.name,
        "group": record.group,
        "collections": None if record.collections is None else [each.name for each in record.collections],
        "scopes": list(record.scopes),
        "limits": asdict(record.limits),
        "expires_at": iso(record.expires_at) if record.expires_at else None,
    }


def _listed(record: "KeyRecord", state: str) -> dict[str, object]:
    from rag.auth import iso

    revoked = iso(record.revoked) if record.revoked is not None else None
    return {"id": record.id, **_facts(record), "created": iso(record.created), "revoked": revoked, "state": state}


def _limits(limits: "KeyLimits") -> str | None:
    words = (
        (limits.requests_per_minute, "requests/min"),
        (limits.tokens_per_minute, "tokens/min"),
        (limits.concurrent, "at a time"),
    )
    texts = [f"{number} {what}" for number, what in words if number]
    if limits.priority is not Priority.NORMAL:
        texts.append(f"{limits.priority} priority")
    return ", ".join(texts) or None

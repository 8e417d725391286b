"""`rag status`: what runs and what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag import __version__
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json, say_table
from rag.cli.running import Running, ready_facts, running

if TYPE_CHECKING:
    from rag.settings import Settings
    from rag.store import Store

# Any: JSON of the service or what will be JSON.
Json = dict[str, Any]
_ENGINE = ("url", "pid", "model", "state", "block_size", "kv_tokens", "restarts")
_COLLECTION = ("id", "name", "generation", "documents", "chunks", "tokens", "shared_prefix")


def status(*, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Print the service, its engines and the collections."""
    settings = load_settings(data_dir, config).settings
    service = running(settings.data_dir)
    facts = (ready_facts(service) if service else None) or {}
    # A service that is still starting knows no collections; the store does.
    collections = facts.get("collections") or _collections(settings)
    document: Json = {
        "version": __version__,
        "data_dir": str(settings.data_dir),
        "service": _service(service, facts),
        "engines": [_pick(engine, _ENGINE) for engine in facts.get("engines", ())],
        "embedding": facts.get("embedding") or _embedding(settings),
        "collections": [_pick(collection, _COLLECTION) for collection in collections],
    }
    if as_json:
        say_json(document)
        return
    engines = facts.get("engines", ())
    reasons = [
        f"{engine['url']} is {engine['state']}: {engine['reason']}" for engine in engines if engine.get("reason")
    ]
    reuse = {engine["url"]: engine.get("reuse", "unreported") for engine in engines}
    _show(document, _chat_model(settings, facts), reuse, reasons)
    for collection in collections:
        for line in (*_failed(collection), *_reuse(collection)):
            say(line)


def _service(service: Running | None, facts: Json) -> Json | None:
    if service is None:
        return None
    return {"url": service.url, "pid": service.pid, "state": facts.get("status", "unavailable")}


def _chat_model(settings: "Settings", facts: Json) -> str:
    """Who answers. The embedded model has a change in its weights that its name does not tell."""
    from rag.models import describe_chat_model

    served = next((str(engine["model"]) for engine in facts.get("engines", ()) if engine.get("model")), None)
    if settings.engine.urls:
        return served or "as the engines say"
    return describe_chat_model(served or settings.engine.model)


def _pick(facts: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    return {name: facts.get(name) for name in names}


def _embedding(settings: "Settings") -> Json:
    """The configured model, with what is known of it since it was last loaded."""
    from rag.embed.remembered import remembered_file, remembered_info
    from rag.errors import ConfigError
    from rag.models import embedding_source

    model = settings.embedding.model
    try:
        source = embedding_source(model)
    except ConfigError:
        info = None
    else:
        info = remembered_info(remembered_file(settings.data_dir, settings.embedding, source))
    return asdict(info) if info else {"model": model, "dimensions": None, "dtype": None}


def _collections(settings: "Settings") -> list[Json]:
    """The collections of the store. Without their chat model's tokenizer or a token store, tokens are not known."""
    from rag.errors import ConfigError, CorpusError
    from rag.store import Store

    store = Store(settings.data_dir)
    try:
        infos = [asdict(info) for info in store.collections()]
        try:
            return _described(store, [info["id"] for info in infos], settings)
        except (ConfigError, CorpusError) as error:
            note(f"note: tokens are not counted. {error}")
            return infos
    finally:
        store.close()


def _described(store: "Store", ids: list[str], settings: "Settings") -> list[Json]:
    if not ids:
        return []  # and no tokenizer is loaded, which takes seconds
    from rag.passages import Passages
    from rag.prefixes import Prefixes
    from rag.renderer import make_renderer
    from rag.rooms import describe_collection
    from rag.served import prefix_limits
    from rag.store import TokenStore

    renderer = make_renderer(settings.engine.model, settings.data_dir, settings.prompt)
    passages = Passages(renderer, TokenStore(settings.data_dir, renderer.tokenizer.fingerprint))
    prefixes = Prefixes(passages, settings.data_dir, prefix_limits(settings, None), freezes=False)
    facts: list[Json] = []
    try:
        for name in ids:
            with store.pin(name) as generation:
                facts.append(describe_collection(generation, passages, prefixes))
    finally:
        passages.close()
    return facts


def _show(document: Json, chat_model: str, reuse: Mapping[str, str], reasons: Sequence[str]) -> None:
    service = document["service"]
    say(f"prefixrag {document['version']}, data in {document['data_dir']}")
    say(f"service: {service['state']} at {service['url']} (pid {service['pid']})" if service else "service: none runs")
    if document["engines"]:
        say_table(
            (*_ENGINE, "reuse"),
            [(*(engine[name] for name in _ENGINE), reuse[engine["url"]]) for engine in document["engines"]],
        )
        for line in reasons:
            say(line)
        for line in dict.fromkeys(map(_advice, reuse.values())):
            if line:
                say(line)
    say(f"chat model: {chat_model}")
    embedding = document["embedding"]
    say(f"embedding: {embedding['model']}, {embedding['dimensions'] or '?'} dimensions, {embedding['dtype'] or '?'}")
    columns = ("collection", "id", "generation", "documents", "chunks", "tokens", "shared prefix")
    rows = [
        (*(each[name] for name in ("name", "id", *_COLLECTION[2:6])), _prefix(each["shared_prefix"]))
        for each in document["collections"]
    ]
    if rows:
        say_table(columns, rows)
    else:
        say("collections: none. Make one with `rag ingest PATH`.")


def _failed(collection: Mapping[str, Any]) -> list[str]:
    """That `rag ingest` could not read files of a collection. A service of an older version does not say."""
    name, n = collection["name"], collection.get("failed")
    return [f"files of {name} that could not be read: {n} (`rag collections show {name}` says why)"] if n else []


def _reuse(collection: Mapping[str, Any]) -> list[str]:
    """How much of a collection's prompts the running service reused, and what to do about the rest."""
    from rag.ledger import CURES

    reuse = collection.get("reuse")
    if not reuse or not reuse["answers"]:
        return []
    share = reuse["cached_tokens"] / max(reuse["prompt_tokens"], 1)
    lines = [f"reuse of {collection['name']}: {share:.0%} of the prompt tokens of {reuse['answers']} answers"]
    return lines + [f"  {count} x {reason}: {CURES.get(reason, '')}" for reason, count in reuse["misses"].items()]


def _prefix(shared: Mapping[str, Any] | None) -> str | None:
    return None if shared is None else f"{shared['tokens']} tokens of {shared['documents']} documents"


def _advice(reuse: str) -> str:
    from rag.engine.probe import ADVICE, Reuse

    return ADVICE[Reuse(reuse)] if reuse in set(Reuse) else ""

"""Every setting, where its value came from, and one loader for all of them.

Precedence: defaults < `prefixrag.toml` in the working directory (or `--config FILE` / `RAG_CONFIG`) <
environment (`RAG_SERVER__PORT=9000`: section and name joined by two underscores) < command line.
Unknown names in the file and in the environment are errors. No other module reads the environment.
"""

import ipaddress
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rag.errors import ConfigError
from rag.recommended import recommended
from rag.trees import MISSING, Tree, merged_trees, value_at

CONFIG_FILE = "prefixrag.toml"
_PREFIX = "RAG_"
# Read by their own commands before or beside the settings tree.
_OTHER_VARIABLES = {"RAG_CONFIG", "RAG_BENCH_DATA", "RAG_TEST_BROWSER"}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
    """The HTTP service."""

    host: str = Field("127.0.0.1", description="Address to listen on. Beyond loopback requests need a key.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    insecure_no_auth: bool = Field(False, description="Listen beyond loopback although no key has been made.")
    max_concurrent: int = Field(64, ge=1, description="Requests that may hold the engine at the same time.")
    max_queue: int = Field(256, ge=0, description="Requests that may wait for a place; one more is answered 429.")
    request_timeout_s: float = Field(600.0, gt=0, description="Seconds from arrival after which a request is ended.")
    redis_url: SecretStr | None = Field(
        None, description="Redis that counts the limits of keys for several services; unset: each counts for itself."
    )
    history_overflow: Literal["refuse", "truncate"] = Field(
        "refuse",
        description="A conversation that no longer fits the window: refuse it, or truncate it by its oldest turns.",
    )
    source_link_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days for which links of citations open their source in a browser without a key; 0: they do not.",
    )
    max_body_bytes: int = Field(10 * 2**20, ge=1024, description="Largest JSON body in bytes.")
    max_upload_bytes: int = Field(512 * 2**20, ge=1024, description="Largest uploaded file in bytes.")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key even before the first one has been made."""
        return not self.is_loopback and not self.insecure_no_auth


class EngineSettings(_Section):
    """The vLLM engine, ours or a running one."""

    model: str = Field(
        "SmolLM2-135M-Instruct", description="Chat model: a folder, a Hugging Face name, or the embedded one."
    )
    urls: tuple[str, ...] = Field((), description="Base URLs of running vLLM servers; empty starts a local one.")
    api_key: SecretStr | None = Field(None, description="Key sent to the engines at engine.urls.")
    kv_events: tuple[str, ...] = Field(
        (),
        description="ZMQ addresses of the KV events of engine.urls, in their order; empty: what they hold is guessed.",
    )
    kv_replay: tuple[str, ...] = Field(
        (), description="ZMQ addresses where they repeat missed KV events, in the same order; empty: nowhere."
    )
    tokens_only: Literal["auto", "off"] = Field(
        "auto",
        description="auto: engines give tokens and the service makes the text, where they can (vLLM 0.32 and later: "
        "--enable-scale-out); off: engines make it. Set off where engine.urls were started with --generation-config or "
        "--override-generation-config: their defaults for sampling would not be known.",
    )
    port: int = Field(0, ge=0, le=65535, description="Port of the local engine on loopback; 0 takes a free one.")
    block_size: int | None = Field(None, description="Tokens in a KV block; unset: 32 on CPU, vLLM's choice on a GPU.")
    max_model_len: int | None = Field(None, ge=64, description="Window in tokens; unset: the model's own.")
    kv_cache_gib: int | None = Field(None, ge=1, description="KV cache in whole GiB of a CPU engine; unset: 2.")
    start_timeout_s: float = Field(900.0, gt=0, description="Seconds a starting engine may take to be ready.")
    extra_args: tuple[str, ...] = Field((), description="More arguments for the local vLLM, one word an item.")
    tool_parser: Literal["hermes", "llama3_json"] | None = Field(
        None,
        description="How the model writes tool calls: hermes (Qwen, Hermes and others) or llama3_json; unset: none.",
    )


class EmbeddingSettings(_Section):
    """The model that turns text into vectors."""

    model: str = Field("all-MiniLM-L6-v2", description="A folder, a Hugging Face name, or the embedded one.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the CPU or GPU computes in it, else float32."
    )
    shorter_dimensions: tuple[int, ...] = Field(
        (), description="Lengths that the model was trained to be cut to; empty: what its own config.json says."
    )
    batch_size: int | None = Field(
        None, ge=1, description="Texts computed at once; unset: 8 on a CPU, on a GPU as many as batch_tokens allows."
    )
    batch_tokens: int = Field(8192, ge=256, description="Tokens in one batch, padding included.")
    max_queue: int = Field(1024, ge=1, description="Texts that may wait for the encoder; more are answered 429.")


class IngestSettings(_Section):
    """From files to chunks."""

    chunk_tokens: int = Field(200, ge=16, description="Largest chunk, in tokens of the embedding model.")
    max_file_bytes: int = Field(64 * 2**20, ge=1, description="Larger files fail with a message.")
    file_timeout_s: float = Field(60.0, gt=0, description="Seconds in which one document must be read.")
    workers: int | None = Field(None, ge=1, description="Processes that read files; unset: one for each core.")
    worker_memory_bytes: int = Field(2**30, ge=2**28, description="Address space that one of them may take.")
    max_text_chars: int = Field(32 * 2**20, ge=1, description="Characters of text that one file may give.")
    max_members: int = Field(10_000, ge=0, description="Files inside one archive or message; 0: none is read.")
    max_unpacked_bytes: int = Field(2**30, ge=1, description="Bytes to which one archive may unpack.")
    converter: tuple[str, ...] = Field(
        (),
        description="Command that reads scans, one word an item: it gets the file's path in place of {file}, or as its "
        "last word, and writes Markdown, or JSON with pages, on its standard output; empty: scans fail.",
    )
    converter_suffixes: tuple[str, ...] = Field(
        (), description="Suffixes, such as .pdf, of files that the converter reads in any case."
    )
    converter_timeout_s: float = Field(600.0, gt=0, description="Seconds in which it must read one file.")
    converter_memory_bytes: int = Field(16 * 2**30, ge=2**28, description="Address space that it may take.")


class RetrieveSettings(_Section):
    """Which chunks a question gets."""

    top_k: int = Field(10, ge=1, le=1000, description="Chunks retrieved for a question.")
    keep_ratio: float = Field(
        0.7, ge=0, le=1, description="Share of the best score below which a retrieved chunk is left out; 0 keeps all."
    )


class IndexSettings(_Section):
    """How vectors are kept: see docs/scale.md."""

    exact_vectors: int = Field(
        500_000, ge=0, description="Chunks of a collection up to which every vector is compared; above, lists are read."
    )
    memory_mib: int = Field(
        1024, ge=16, description="Memory for the vectors of one collection in MiB; more are compressed to short codes."
    )


class PromptSettings(_Section):
    """What stands in a prompt."""

    shared_prefix_tokens: int = Field(
        6000, ge=0, description="A collection of at most so many tokens stands whole at the start of every prompt."
    )
    topic_tokens: int = Field(
        2000, ge=0, description="Tokens of a topic's own chunks, into which a larger collection is cut; 0: no topics."
    )
    near_tie: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Share by which a chunk may score less than the one whose place it takes for reuse.",
    )
    answer_tokens: int = Field(1024, ge=1, description="Answer length where a request names none.")


class CacheSettings(_Section):
    """Who may share the engine's keys and values."""

    sharing: Literal["group", "collection"] = Field(
        "group", description="group: an access group shares with itself; collection: all who may read the same."
    )
    warm: bool = Field(True, description="Compute shared prefixes ahead of their first user, while engines are idle.")
    prefix_share: float = Field(
        0.6, ge=0, le=1, description="Share of an engine's KV cache that prefixes computed ahead may take."
    )


class ResponsesSettings(_Section):
    """Responses that clients may come back to."""

    keep_days: float = Field(30.0, gt=0, description="Days that a response is kept after it was last continued.")
    max_stored: int = Field(100_000, ge=1, description="Responses kept at most; the oldest go first.")


class ModelsSettings(_Section):
    """Names of models."""

    aliases: dict[str, str] = Field(
        default_factory=dict, description="Further names that the served model answers to: alias = model."
    )


class LogSettings(_Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else json.")


class Settings(BaseSettings):
    """The whole tree. Rooms get a section, never the tree."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=_PREFIX, env_nested_delimiter="__")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` has merged: it keeps apart which source said what."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    data_dir: Path = Field(Path("data"), description="Folder that holds all state.")
    api_key: SecretStr | None = Field(None, description="Key that rag ask and rag warm send to a service at --url.")
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    ingest: IngestSettings = IngestSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    index: IndexSettings = IndexSettings()
    prompt: PromptSettings = PromptSettings()
    cache: CacheSettings = CacheSettings()
    responses: ResponsesSettings = ResponsesSettings()
    models: ModelsSettings = ModelsSettings()
    log: LogSettings = LogSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as `rag config` prints it. `source` is default, a file's path, environment or command line."""

    name: str
    value: object
    source: str
    default: object
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and the trees they came from, weakest first."""

    settings: Settings
    sources: tuple[tuple[str, Tree], ...]

    def describe(self) -> Iterator[Setting]:
        """All settings in the order of the tree, secrets masked."""
        defaults = Settings.model_construct()
        for path, description in _leaves():
            source = "default"
            for name, tree in self.sources:
                if value_at(tree, path) is not MISSING:
                    source = name
            yield Setting(
                name=".".join(path),
                value=_printable(_attribute(self.settings, path)),
                source=source,
                default=_printable(_attribute(defaults, path)),
                description=description,
            )


def load(command_line: Tree | None = None, *, config: Path | None = None) -> Loaded:
    """Settings from all sources.

    command_line: a nested tree of what was given as options; leave out what was not given.
    config: the file named by `--config`; it must exist.

    Raises:
        ConfigError: a file that is missing or not TOML, an unknown name, a value of the wrong kind.
    """
    named = config or (Path(os.environ["RAG_CONFIG"]) if "RAG_CONFIG" in os.environ else None)
    file = named or Path(CONFIG_FILE)
    _refuse_unknown_variables()
    environment = EnvSettingsSource(Settings)()
    given: tuple[tuple[str, Tree], ...] = (
        (str(file), _read_file(file, must_exist=named is not None)),
        ("environment", environment),
        ("command line", command_line or {}),
    )
    merged: dict[str, object] = {}
    for _, tree in given:
        merged = merged_trees(merged, tree)
    sources = (("recommended for the model", recommended(merged)), *given)
    merged = merged_trees(sources[0][1], merged)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, sources)) from None
    return Loaded(settings, sources)


def known_variables() -> set[str]:
    """Names of all environment variables that mean something to prefixrag."""
    return {_PREFIX + "__".join(path).upper() for path, _ in _leaves()} | _OTHER_VARIABLES


def _refuse_unknown_variables() -> None:
    known = known_variables() | {_PREFIX + name.upper() for name in Settings.model_fields}
    aliases = _PREFIX + "MODELS__ALIASES__"
    for name in os.environ:
        if name.startswith(_PREFIX) and name.upper() not in known and not name.startswith(aliases):
            raise ConfigError(
                f"Unknown environment variable {name!r}. `rag config` lists every setting; unset or correct it."
            )


def _read_file(file: Path, *, must_exist: bool) -> Tree:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if not must_exist:
            return {}
        raise ConfigError(
            f"The configuration file {str(file)!r} does not exist. Correct --config or RAG_CONFIG."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"The configuration file {str(file)!r} cannot be read: {error}. Mend it or name another."
        ) from None


def _explain(error: ValidationError, sources: tuple[tuple[str, Tree], ...]) -> str:
    lines = []
    for detail in error.errors():
        path = tuple(str(part) for part in detail["loc"])
        source = next((name for name, tree in reversed(sources) if value_at(tree, path) is not MISSING), "settings")
        if detail["type"] == "extra_forbidden":
            problem = "is not a setting"
        else:
            problem = f"= {detail['input']!r} is refused: {detail['msg']}"
        lines.append(f"{'.'.join(path)} {problem} (from {source}).")
    return " ".join(lines) + " `rag config` lists every setting."


def _leaves() -> Iterator[tuple[tuple[str, ...], str]]:
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, _Section):
            for inner, field in kind.model_fields.items():
                yield (name, inner), field.description or ""
        else:
            yield (name,), info.description or ""


def _attribute(tree: object, path: tuple[str, ...]) -> object:
    for part in path:
        tree = getattr(tree, part)
    return tree


def _printable(value: object) -> object:
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value

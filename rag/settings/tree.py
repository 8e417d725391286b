"""Every setting with its default and what it means, by section."""

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rag.types import CitationPolicy

PREFIX = "RAG_"  # of environment variables
_ROUNDING = 1e-6


class Section(BaseModel):
    """What all sections are: fixed once read, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    """The HTTP service."""

    host: str = Field("127.0.0.1", description="Address to listen on. Beyond loopback requests need a key.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the service's certificate and its chain: it then speaks https alone."
    )
    tls_key: Path | None = Field(None, description="PEM file with that certificate's key, without a password.")
    insecure_no_auth: bool = Field(False, description="Listen beyond loopback although no key has been made.")
    max_concurrent: int = Field(64, ge=1, description="Requests that may hold the engine at the same time.")
    max_queue: int = Field(256, ge=0, description="Requests that may wait for a place; one more is answered 429.")
    first_token_objective_s: float = Field(
        30.0,
        gt=0,
        description="Seconds from arrival within which an answer should begin: a request that would have to wait "
        "longer is answered 429 at once, with the seconds after which to try again.",
    )
    request_timeout_s: float = Field(600.0, gt=0, description="Seconds from arrival after which a request is ended.")
    drain_s: int = Field(
        10,
        ge=0,
        description="Seconds that requests under way get when the service is stopped; then they are cut off.",
    )
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


class EngineSettings(Section):
    """The vLLM engine, ours or a running one."""

    model: str = Field(
        "SmolLM2-135M-Instruct",
        description="Chat model: a folder, a Hugging Face name, or the embedded one (with -bare "
        "at its end: as its authors left it).",
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
    count: int = Field(1, ge=1, le=64, description="Local engines to start, each with the whole model.")
    devices: tuple[str, ...] = Field(
        (),
        description="What each local engine runs on, one item an engine: GPUs such as 0 or 2,3 "
        "(CUDA_VISIBLE_DEVICES), or cores of the CPU build such as 0-7 (VLLM_CPU_OMP_THREADS_BIND); empty: "
        "shared out evenly.",
    )
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the local engine on loopback, and the next ones of others; 0: free ones.",
    )
    block_size: int | None = Field(None, description="Tokens in a KV block; unset: 32 on CPU, vLLM's choice on a GPU.")
    max_model_len: int | None = Field(None, ge=64, description="Window in tokens; unset: the model's own.")
    kv_cache_gib: int | None = Field(None, ge=1, description="KV cache in whole GiB of a CPU engine; unset: 2.")
    start_timeout_s: float = Field(900.0, gt=0, description="Seconds a starting engine may take to be ready.")
    probe_s: float = Field(5.0, gt=0, description="Seconds between two looks at an engine's health.")
    probe_timeout_s: float = Field(20.0, gt=0, description="Seconds in which it must answer such a look.")
    silence_s: float = Field(
        60.0,
        gt=0,
        description="Seconds without a token for anybody who waits, after which an engine is tested, and "
        "taken out if it computes nothing; what stands in its queue is allowed for.",
    )
    extra_args: tuple[str, ...] = Field((), description="More arguments for the local vLLM, one word an item.")
    tool_parser: Literal["hermes", "llama3_json"] | None = Field(
        None,
        description="How the model writes tool calls: hermes (Qwen, Hermes and others) or llama3_json; unset: none.",
    )


class EmbeddingSettings(Section):
    """The model that turns text into vectors."""

    model: str = Field("all-MiniLM-L6-v2", description="A folder, a hub's name, the embedded one; fake: for tests.")
    device: str = Field("auto", description="auto (all GPUs, else the CPU), cpu, cuda:N, or several: cuda:0,cuda:1.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the CPU or GPU computes in it, else float32."
    )
    shorter_dimensions: tuple[int, ...] = Field(
        (), description="Lengths that the model was trained to be cut to; empty: what its own config.json says."
    )
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens computed at once, padding included; unset: 1024 on a CPU, 16384 on a GPU."
    )
    max_queue: int = Field(1024, ge=1, description="Texts that may wait for the encoder; more are answered 429.")


class IngestSettings(Section):
    """From files to chunks."""

    chunk_tokens: int = Field(200, ge=16, description="Largest chunk, in tokens of the embedding model.")
    max_file_bytes: int = Field(64 * 2**20, ge=1, description="Larger files fail with a message.")
    file_timeout_s: float = Field(60.0, gt=0, description="Seconds in which one document must be read.")
    workers: int | None = Field(None, ge=1, description="Processes that read files; unset: one for each core.")
    ray_address: str = Field(
        "local",
        description="Ray cluster of rag ingest --engine ray: local starts one for the run; auto or host:port "
        "joins the one that this machine belongs to.",
    )
    worker_memory_bytes: int = Field(2**30, ge=2**28, description="Address space that one of them may take.")
    max_text_chars: int = Field(32 * 2**20, ge=1, description="Characters of text that one file may give.")
    max_members: int = Field(10_000, ge=0, description="Files inside one archive or message; 0: none is read.")
    max_unpacked_bytes: int = Field(2**30, ge=1, description="Bytes to which one archive may unpack.")
    converter: tuple[str, ...] = Field(
        (),
        description="Command that reads scans and images, one word an item: it gets the file's path in place of "
        "{file}, or as its last word, and writes Markdown, or JSON with pages, on its standard output; empty: scans "
        "fail and images are skipped.",
    )
    converter_suffixes: tuple[str, ...] = Field(
        (), description="Suffixes, such as .pdf, of files that the converter reads in any case."
    )
    converter_timeout_s: float = Field(600.0, gt=0, description="Seconds in which it must read one file.")
    converter_memory_bytes: int = Field(16 * 2**30, ge=2**28, description="Address space that it may take.")


class RetrieveSettings(Section):
    """Which chunks a question gets."""

    top_k: int = Field(10, ge=1, le=1000, description="Chunks retrieved for a question.")
    mode: Literal["hybrid", "dense", "lexical"] = Field("hybrid", description="By meaning and words, or by one alone.")
    reranker: str | None = Field(None, description="A CrossEncoder that orders the best hits anew, a folder or a name.")
    min_score: float = Field(
        0.0, ge=0, le=1, description="Score below which nothing is found; a request can only ask for more. 0: off."
    )
    keep_ratio: float = Field(
        0.6, ge=0, le=1, description="Share of the best score below which a retrieved chunk is left out; 0 keeps all."
    )


class IndexSettings(Section):
    """How vectors and words are kept: see docs/scale.md."""

    # Comparing 100,000 vectors of 384 components takes 12 ms on one thread, and the aim for a search is 10 ms.
    exact_vectors: int = Field(
        100_000, ge=0, description="Chunks of a collection up to which every vector is compared; above, lists are read."
    )
    memory_mib: int = Field(
        1024, ge=16, description="Memory for the vectors of one collection in MiB; more are compressed to short codes."
    )
    fts_chunks: int = Field(
        1_000_000, ge=0, description="Chunks of a collection up to which SQLite indexes its words; above, tantivy does."
    )


class StorageSettings(Section):
    """Collections in shared storage: see docs/scale.md."""

    url: str | None = Field(
        None, description="Where collections are pushed to and pulled from, such as s3://bucket/folder; unset: nowhere."
    )
    push: bool = Field(True, description="What changes here is pushed; false: this machine only pulls.")
    poll_s: float = Field(15.0, gt=0, description="Seconds between two looks of rag serve at shared storage.")


class PromptSettings(Section):
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
    pointed_out: int = Field(
        0,
        ge=0,
        le=8,
        description="Sentences of the passages, those with most of the question's words, repeated behind it: for small "
        "models, which lose the answer among passages.",
    )
    answer_tokens: int = Field(1024, ge=1, description="Answer length where a request names none.")


class CitationsSettings(Section):
    """What becomes of citations."""

    policy: CitationPolicy = Field(
        CitationPolicy.FLAG,
        description="Of a citation that its source does not support: flag sends it with its status, drop takes its "
        "marker out of the answer, append-note names it in a note at the answer's end. A request may say otherwise.",
    )


class AnswersSettings(Section):
    """When there is no answer."""

    no_answer: Literal["auto", "off"] = Field(
        "auto",
        description="auto: a question that nothing found bears on is answered with that, without asking the model, and "
        "what a model says of not knowing is marked so; off: the model always answers, and is not judged.",
    )
    min_evidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Evidence (see `rag bench no-answer`) below which nothing that was found answers; unset: what was "
        "measured for the embedding model, and for others none.",
    )


class CacheSettings(Section):
    """Who may share the engine's keys and values."""

    sharing: Literal["group", "collection"] = Field(
        "group", description="group: an access group shares with itself; collection: all who may read the same."
    )
    warm: bool = Field(True, description="Compute shared prefixes ahead of their first user, while engines are idle.")
    prefix_share: float = Field(
        0.6, ge=0, le=1, description="Share of an engine's KV cache that prefixes computed ahead may take."
    )


class ResponsesSettings(Section):
    """Responses that clients may come back to."""

    keep_days: float = Field(30.0, gt=0, description="Days that a response is kept after it was last continued.")
    max_stored: int = Field(100_000, ge=1, description="Responses kept at most; the oldest go first.")


class AliasShare(Section):
    """A model and its share of an alias's conversations."""

    model: str
    share: float = Field(1.0, ge=0, le=1)


class ModelsSettings(Section):
    """Names of models."""

    aliases: dict[str, str | tuple[AliasShare, ...]] = Field(
        default_factory=dict,
        description='Further names that served models answer to: alias = "model", or shares of its conversations that '
        'are 1 together, the former model first: alias = [{model = "old", share = 0.9}, {model = "new", share = 0.1}]. '
        "See docs/operations.md; a SIGHUP makes rag serve read them again.",
    )

    @field_validator("aliases")
    @classmethod
    def _are_whole(cls, aliases: dict[str, str | tuple[AliasShare, ...]]) -> dict[str, str | tuple[AliasShare, ...]]:
        for alias, shares in aliases.items():
            if isinstance(shares, str):
                continue
            if abs(sum(each.share for each in shares) - 1) > _ROUNDING:
                raise ValueError(f"the shares of {alias!r} are {[each.share for each in shares]}, together not 1")
            if len({each.model for each in shares}) < len(shares):
                raise ValueError(f"{alias!r} names a model twice")
        return aliases


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is written.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else json.")


class Settings(BaseSettings):
    """The whole tree. Rooms get a section, never the tree."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

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
    ca_file: Path | None = Field(
        None,
        description="PEM file of authorities whose certificates rag ask, chat, warm, engines, top and eval trust at an "
        "https --url, beside those that this machine trusts.",
    )
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    ingest: IngestSettings = IngestSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    index: IndexSettings = IndexSettings()
    storage: StorageSettings = StorageSettings()
    prompt: PromptSettings = PromptSettings()
    citations: CitationsSettings = CitationsSettings()
    answers: AnswersSettings = AnswersSettings()
    cache: CacheSettings = CacheSettings()
    responses: ResponsesSettings = ResponsesSettings()
    models: ModelsSettings = ModelsSettings()
    log: LogSettings = LogSettings()

"""What a run needs before there is an engine: options, the workload, and the arms that can take part."""

from dataclasses import dataclass
from pathlib import Path

from rag.bench.reuse.arms import check_names
from rag.bench.reuse.arrivals import arrival_times_s
from rag.bench.reuse.ground import Ground
from rag.bench.reuse.pilot import why_left_out
from rag.bench.reuse.sets import read_set
from rag.bench.reuse.vectors import VectorFiles
from rag.bench.reuse.workload import Workload, make_workload
from rag.embed import Encoder
from rag.errors import ConfigError
from rag.models import embedding_source
from rag.plan import Held, Pace
from rag.render import Renderer
from rag.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to replay, and on what."""

    data: Path
    set_name: str
    arms: tuple[str, ...]
    order: str
    n_requests: int | None  # None: as many as there are questions, at most `most_requests`
    most_requests: int
    n_groups: int
    top_k: int
    cut: float
    seed: int
    rounds: int
    rate: str
    kv_tokens: tuple[int | None, ...]  # None: what the engine has, or a cache without bounds
    answer_tokens: int
    cache: Path  # vectors, and programs that are compared with
    limit_ms: float | None = None  # of p95, when the rate is looked for at which it is reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """All that does not depend on the engine."""

    options: Options
    workload: Workload
    arms: tuple[str, ...]
    left_out: dict[str, str]  # arm: why

    def ground(self, renderer: Renderer, *, block_size: int, window_tokens: int | None) -> Ground:
        """What the arms may know; its salt, cache size and view of the engine are filled in for each run."""
        options, workload = self.options, self.workload
        return Ground(
            chunks=workload.chunks,
            vectors=workload.vectors,
            tokens={chunk.seq: renderer.passage(chunk) for chunk in workload.chunks},
            renderer=renderer,
            salt="bench",
            held=lambda: Held(None),
            pace=Pace(),
            block_size=block_size,
            kv_tokens=None,
            window_tokens=window_tokens,
            answer_tokens=options.answer_tokens,
            cut=options.cut,
            seed=options.seed,
            arms_dir=options.cache,
        )

    def order(self, round_number: int) -> tuple[str, ...]:
        """The arms, every other round from the last to the first, so that drift hits all alike (ABBA)."""
        return self.arms if round_number % 2 else self.arms[::-1]

    def times_s(self, rate: str, round_number: int) -> tuple[float, ...] | None:
        """When the requests of a round arrive, the same for every arm."""
        options = self.options
        return arrival_times_s(
            rate, len(self.workload.requests), traces=options.data / "traces", seed=options.seed + round_number
        )


def prepare(options: Options, settings: Settings) -> Bench:
    """The workload and the arms that can take part.

    Raises:
        ConfigError: an option names what is not there.
    """
    check_names(options.arms)
    questions = read_set(options.set_name, options.data)
    n_requests = options.n_requests or min(options.most_requests, len(questions.questions))
    # Told before texts are embedded.
    arrival_times_s(options.rate, n_requests, traces=options.data / "traces", seed=options.seed)
    workload = make_workload(
        questions,
        VectorFiles(options.cache, settings.embedding, lambda: _encoder(settings)),
        order=options.order,
        n_requests=n_requests,
        top_k=options.top_k,
        n_groups=options.n_groups,
        seed=options.seed,
    )
    reason = why_left_out(options.cache) if "contextpilot" in options.arms else None
    left_out = {"contextpilot": reason} if reason else {}
    arms = tuple(arm for arm in options.arms if arm not in left_out)
    if not arms:
        raise ConfigError(f"No arm is left to run. {reason}")
    return Bench(options=options, workload=workload, arms=arms, left_out=left_out)


def _encoder(settings: Settings) -> Encoder:
    from rag.embed.encoder import SentenceEncoder  # loads torch, which takes seconds

    return SentenceEncoder(settings.embedding, embedding_source(settings.embedding.model))

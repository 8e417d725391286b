"""One chat model that a service serves: its engines, and what makes prompts for it."""

from dataclasses import dataclass

from rag.engine import EngineInfo, EnginePool
from rag.passages import Passages
from rag.plan import Limits
from rag.planner import Planner
from rag.prefixes import Prefixes
from rag.render import Renderer
from rag.renderer import default_sampling, make_renderer
from rag.settings import Settings
from rag.store import TokenStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One chat model: its engines, and what makes prompts for it."""

    engine: EngineInfo
    pool: EnginePool
    renderer: Renderer
    passages: Passages
    prefixes: Prefixes
    planner: Planner

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.engine.model

    def close(self) -> None:
        """Let go of what is stored for it. Its engines go on."""
        self.prefixes.close()
        self.passages.close()


def open_served(settings: Settings, info: EngineInfo, pool: EnginePool) -> Served:
    """What makes prompts for a model. Blocks.

    Raises:
        ConfigError: its tokenizer is not to be had here.
    """
    renderer = make_renderer(info.source, settings.data_dir, settings.prompt)
    pool.learn(renderer.tokenizer.backend, default_sampling(info.source, settings.data_dir))
    passages = Passages(renderer, TokenStore(settings.data_dir, renderer.tokenizer.fingerprint))
    return Served(
        engine=info,
        pool=pool,
        renderer=renderer,
        passages=passages,
        prefixes=Prefixes(passages, settings.data_dir, prefix_limits(settings, info)),
        planner=Planner(
            renderer,
            keep_ratio=settings.retrieve.keep_ratio,
            near_tie=settings.prompt.near_tie,
            is_warmed=settings.cache.warm,
        ),
    )


def prefix_limits(settings: Settings, engine: EngineInfo | None) -> Limits:
    """How long prefixes may be for an engine; None: one that is not known, whose window is the setting's."""
    window = engine.window_tokens if engine else settings.engine.max_model_len
    whole, core = settings.prompt.shared_prefix_tokens, settings.prompt.topic_tokens
    return Limits(
        whole_tokens=whole if window is None else min(whole, window // 2),
        core_tokens=core if window is None else min(core, window // 4),
        held_tokens=round(settings.cache.prefix_share * (engine.kv_tokens or 0)) if engine else 0,
    )

"""vLLM over HTTP: streaming, starting one, and choosing among several."""

from rag.engine.base import Engine, EngineInfo
from rag.engine.command import is_cpu_build
from rag.engine.fake import FakeEngine
from rag.engine.http import VllmEngine
from rag.engine.launch import LocalEngine
from rag.engine.pool import EnginePool, Slot, Ticket
from rag.engine.probe import Reuse, probe_reuse

__all__ = [
    "Engine",
    "EngineInfo",
    "EnginePool",
    "FakeEngine",
    "LocalEngine",
    "Reuse",
    "Slot",
    "Ticket",
    "VllmEngine",
    "is_cpu_build",
    "probe_reuse",
]

"""vLLM over HTTP: streaming, starting one, and choosing among several."""

from rag.engine.base import Engine, EngineInfo
from rag.engine.command import is_cpu_build
from rag.engine.devices import check_devices
from rag.engine.events import EventAddresses, KvEvents
from rag.engine.fake import FakeEngine
from rag.engine.http import VllmEngine, base_url
from rag.engine.launch import LocalEngine
from rag.engine.pool import EnginePool
from rag.engine.probe import Reuse, probe_reuse
from rag.engine.slot import Slot, State, local_slot, running_slot, running_slots
from rag.engine.ticket import Ticket

__all__ = [
    "Engine",
    "EngineInfo",
    "EnginePool",
    "EventAddresses",
    "FakeEngine",
    "KvEvents",
    "LocalEngine",
    "Reuse",
    "Slot",
    "State",
    "Ticket",
    "VllmEngine",
    "base_url",
    "check_devices",
    "is_cpu_build",
    "local_slot",
    "probe_reuse",
    "running_slot",
    "running_slots",
]

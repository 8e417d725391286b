"""What a running service takes from a changed configuration, and what waits for its next start."""

import asyncio
from collections.abc import Callable, Iterator

import structlog

from rag.api.state import State
from rag.api.tls import Certificate
from rag.errors import ConfigError
from rag.settings import Section, Settings

_TAKEN = {"models.aliases"}

log = structlog.get_logger()


async def reload(read: Callable[[], Settings], state: State, certificate: Certificate | None) -> None:
    """Nothing; aliases and a renewed certificate are used from now on. A configuration that is wrong changes nothing.

    read: the settings, from where they were read at the start.
    """
    if certificate:
        certificate.renew()
    try:
        new = await asyncio.to_thread(read)
    except ConfigError as error:
        log.error("configuration_not_reloaded", reason=str(error))
        return
    if state.rooms:
        state.rooms.aliases.set(new.models.aliases)
    others = sorted(name for name in changed(state.settings, new) if name not in _TAKEN)
    log.info("configuration_reloaded", aliases=sorted(new.models.aliases), wait_for_a_restart=others)


def changed(old: Settings, new: Settings) -> Iterator[str]:
    """Names of the settings that differ."""
    for name in Settings.model_fields:
        before, now = getattr(old, name), getattr(new, name)
        if not isinstance(before, Section):
            if before != now:
                yield name
            continue
        for inner in type(before).model_fields:
            if getattr(before, inner) != getattr(now, inner):
                yield f"{name}.{inner}"

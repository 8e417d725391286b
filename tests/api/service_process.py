"""A service in a process of its own, which a test can kill: `service_process.py DATA_DIR TOKENIZER_DIR`.

Its encoder takes its time, so that indexing can be interrupted. It prints its URL.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from conftest import serving  # the one beside this file

from rag.embed import FakeEncoder
from rag.embed.base import Vectors
from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.settings import load
from rag.telemetry import set_up_logs


class SlowEncoder(FakeEncoder):
    """Twenty milliseconds a text."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        time.sleep(0.02 * len(texts))
        return super().encode_documents(texts)


def main(data_dir: str, format_dir: str) -> None:
    info = EngineInfo(model="tiny", source=format_dir, window_tokens=8192, block_size=16, kv_tokens=200_000)
    pool = EnginePool([Slot(engine=FakeEngine(lambda _: "Yes.", info=info))])
    own = {"data_dir": Path(data_dir), "engine": {"urls": ["fake://engine"]}, "cache": {"warm": False}}
    settings = load(own).settings
    set_up_logs(settings.log)  # to standard error
    with serving(settings, pool=pool, encoder=SlowEncoder()) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])

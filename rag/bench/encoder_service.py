"""The service with a real encoder and no engine behind it: a process for `rag bench embeddings`."""

import argparse
from pathlib import Path

from ingest.uploads import UploadIndexer
from rag.api import serve
from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.rooms import make_encoder
from rag.settings import load


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chat-model", required=True, help="folder or name; only its tokenizer is read")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    tree = {"data_dir": given.data_dir, "server": {"port": given.port}, "cache": {"warm": False}}
    settings = load({**tree, "engine": {"urls": ["fake://engine"]}, "log": {"level": "warning"}}).settings
    info = EngineInfo(model="none", source=given.chat_model, window_tokens=8192, block_size=16, kv_tokens=65536)
    engine = FakeEngine(lambda _: "", info=info)
    encoder = make_encoder(settings, n_threads=given.threads)
    serve(settings, UploadIndexer(settings.ingest), pool=EnginePool([Slot(engine=engine)]), encoder=encoder)


if __name__ == "__main__":
    main()

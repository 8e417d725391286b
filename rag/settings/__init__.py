"""Every setting, where its value came from, and one loader for all of them.

Precedence: defaults < `prefixrag.toml` in the working directory (or `--config FILE` / `RAG_CONFIG`) <
environment (`RAG_SERVER__PORT=9000`: section and name joined by two underscores) < command line.
Unknown names in the file and in the environment are errors.
"""

from rag.settings.load import Loaded, Setting, known_variables, load
from rag.settings.tree import (
    CacheSettings,
    CitationsSettings,
    EmbeddingSettings,
    EngineSettings,
    IndexSettings,
    IngestSettings,
    LogSettings,
    ModelsSettings,
    PromptSettings,
    ResponsesSettings,
    RetrieveSettings,
    ServerSettings,
    Settings,
)

__all__ = [
    "CacheSettings",
    "CitationsSettings",
    "EmbeddingSettings",
    "EngineSettings",
    "IndexSettings",
    "IngestSettings",
    "Loaded",
    "LogSettings",
    "ModelsSettings",
    "PromptSettings",
    "ResponsesSettings",
    "RetrieveSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "known_variables",
    "load",
]

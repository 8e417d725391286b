"""Every setting, where its value came from, and one loader for all of them."""

from rag.settings.loading import CONFIG_FILE, Loaded, Setting, known_variables, load, wants_traces
from rag.settings.tree import (
    AnswersSettings,
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
    StorageSettings,
)
from rag.settings.trees import Tree

__all__ = [
    "CONFIG_FILE",
    "AnswersSettings",
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
    "StorageSettings",
    "Tree",
    "known_variables",
    "load",
    "wants_traces",
]

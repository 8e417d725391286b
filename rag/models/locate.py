"""From the name of a model to what a loader takes."""

import json
from pathlib import Path

from rag.errors import ConfigError
from rag.models.embedded import (
    BARE_CHAT_MODEL,
    CHAT_MODEL,
    EMBEDDING_MODEL,
    embedding_folder,
    unpack_chat_model,
)


def embedding_source(model: str) -> str:
    """What sentence-transformers loads for `model`: a folder, or a hub name as it stands.

    Raises:
        ConfigError: a folder that holds no model, or an embedded model that is not installed.
    """
    if model == EMBEDDING_MODEL:
        return str(embedding_folder())
    return _folder_or_name(model, "modules.json", "config.json")


def chat_model_source(model: str, data_dir: Path) -> str:
    """What vLLM and the tokenizer load for `model`: a folder, or a hub name as it stands.

    Raises:
        ConfigError: a folder that holds no model, or an embedded model that is not installed.
    """
    if model in {CHAT_MODEL, BARE_CHAT_MODEL}:
        return str(unpack_chat_model(data_dir, model).resolve())
    return _folder_or_name(model, "config.json")


def _folder_or_name(model: str, *markers: str) -> str:
    folder = Path(model).expanduser()
    looks_like_path = model.startswith((".", "/", "~")) or folder.is_dir()
    if not looks_like_path:
        return model
    for marker in markers:
        if (folder / marker).is_file():
            _check_json(folder / marker)
            return str(folder.resolve())
    raise ConfigError(
        f"The folder {model!r} is not a model: it has no {' or '.join(markers)}. "
        "Name a folder in the Hugging Face format, or a model's name."
    )


def _check_json(file: Path) -> None:
    try:
        json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The model's {str(file)!r} cannot be read: {error}. Copy the model again.") from None

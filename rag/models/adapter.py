"""The change to the embedded chat model's weights that makes it quote. Source: docs/embedded-model.md."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_ROW = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The packaged adapter. label: as it stands behind the model's name."""

    name: str
    version: int
    file: str
    sha256: str

    @property
    def label(self) -> str:
        """What to call it."""
        return f"{self.name} {self.version}"


def packaged_adapter() -> Adapter:
    """What the package's manifest says of it."""
    told = tomllib.loads((files("adapters") / "manifest.toml").read_text("utf-8"))["quoting"]
    return Adapter(name=told["name"], version=told["version"], file=told["file"], sha256=told["sha256"])


def merge_packaged(model: "nn.Module", adapter: Adapter) -> None:
    """Nothing; the packaged change is in the model's weights.

    Raises:
        ConfigError: the file is not the one of the manifest.
    """
    with as_file(files("adapters") / adapter.file) as file:
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no file"
        if found != adapter.sha256:
            raise ConfigError(
                f"The adapter {adapter.file!r} of the embedded model is damaged: its SHA-256 is {found}, not "
                f"{adapter.sha256}. Install this package anew."
            )
        merge(model, file)


def merge(model: "nn.Module", file: Path) -> None:
    """Nothing; the change is added to the weights, so that none of it is computed later.

    file: safetensors; pairs of matrices in the names of PEFT, whose factor (alpha through rank) is 1, and rows that are
    added to the row of a weight, named `weight[row]`.
    """
    from safetensors.torch import load_file

    tensors = load_file(file)
    for name, tensor in tensors.items():
        if name.endswith(_DOWN):
            stem = name.removesuffix(_DOWN)
            weight = model.get_parameter(f"{stem.removeprefix(_PREFIX)}.weight")
            _add(weight, tensors[stem + _UP].float() @ tensor.float())
        elif row := _ROW.fullmatch(name):
            _add(model.get_parameter(row[1]).data[int(row[2])], tensor.float())


def _add(weight: "torch.Tensor", change: "torch.Tensor") -> None:
    weight.data.copy_(weight.data.float() + change.to(weight.device))

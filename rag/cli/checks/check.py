"""What one check found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """`fail`: something will not work. `warn`: it works, worse than it could. `cure`: the command that mends it."""

    name: str
    status: Status
    detail: str
    cure: str | None = None

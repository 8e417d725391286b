"""What this machine's processor computes by itself."""

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def has_bfloat16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether it multiplies bfloat16. Without the instructions float32 is several times faster; False: not known."""
    if not cpuinfo.is_file():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return not _BFLOAT16.isdisjoint(flags.split())

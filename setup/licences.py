"""Writes docs/licences.md: every pinned package with its version and licence, from its own metadata.

Run by `make licences`. Fails when a licence is not known or not allowed; setup/licences.toml has what metadata does
not say, and what is accepted all the same, each with its reason. Of packages that are not installed here (the other
lock's) pip is asked, which fetches metadata, and where the index has none beside a package, the package.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
LOCKS = ("cpu.txt", "cuda.txt")
# What may be installed beside an Apache-2.0 program without asking: permissive, or copyleft by file (MPL).
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
NAMES = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
VAGUE = {"OSI Approved", "DFSG approved", "Other/Proprietary License"}  # classifiers that name no licence
PROPRIETARY = re.compile(r"propriet|end user license", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a lock."""

    name: str
    versions: Mapping[str, str]  # by lock
    licence: str  # "": unknown
    accepted: str  # why a licence that is not on the list is accepted; "": it is not

    @property
    def problem(self) -> str:
        """Why it may not be there; "" if it may."""
        if not self.licence:
            return "its licence is not known: state it in setup/licences.toml"
        if not allows(self.licence) and not self.accepted:
            return f"{self.licence} is not allowed: leave it out, or accept it in setup/licences.toml with the reason"
        return ""


def main() -> int:
    """The exit status: 0 when every licence is known and allowed. The page is written in any case."""
    packages = list(report())
    PAGE.write_text(page(packages), encoding="utf-8")
    print(f"licences: {len(packages)} packages in {PAGE.relative_to(ROOT)}")
    problems = [f"licences: {each.name}: {each.problem}" for each in packages if each.problem]
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


def report() -> Iterator[Package]:
    """Every package of both locks, by name."""
    told = tomllib.loads((ROOT / "setup" / "licences.toml").read_text(encoding="utf-8"))
    locks = {lock: pins(lock) for lock in LOCKS}
    names = sorted({name for lock in locks.values() for name in lock})
    versions = {name: {lock: found[name] for lock, found in locks.items() if name in found} for name in names}
    known = {name: licence for name in names if (licence := installed(name, versions[name])) is not None}
    missing = [name for name in names if name not in known]
    known |= fetched([f"{name}=={next(iter(versions[name].values())).split(', ')[0]}" for name in missing])
    for name in names:
        licence = told["stated"].get(name) or known.get(name, "")
        accepted = "" if licence and allows(licence) else reason(name, told["accepted"])
        yield Package(name=name, versions=versions[name], licence=licence, accepted=accepted)


def reason(name: str, accepted: Mapping[str, str]) -> str:
    """Why a package is accepted, by its name or by the beginning of it that ends with a star."""
    fits = [
        why for which, why in accepted.items() if name == which or (which[-1] == "*" and name.startswith(which[:-1]))
    ]
    return fits[0] if fits else ""


def pins(lock: str) -> dict[str, str]:
    """The version of each package of a lock; several, joined by commas, where it depends on the Python."""
    lines = (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
    found: dict[str, list[str]] = {}
    for pin in (Requirement(line) for line in lines if not line.startswith("#")):
        found.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier).removeprefix("=="))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def installed(name: str, versions: Mapping[str, str]) -> str | None:
    """The licence of a package that is installed in a pinned version; None if it is not."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    if not any(found.version in pinned.split(", ") for pinned in versions.values()):
        return None

    def said(field: str) -> list[str]:
        return found.metadata.get_all(field) or []

    expression, text = (next(iter(said(field)), None) for field in ("License-Expression", "License"))
    return licence(expression, said("Classifier"), text)


def fetched(requirements: list[str]) -> dict[str, str]:
    """The licences of packages that are not installed here, as pip reads them."""
    if not requirements:
        return {}
    with tempfile.TemporaryDirectory() as folder:  # a pip that knows of licence expressions
        subprocess.run((sys.executable, "-m", "venv", folder), check=True)
        pip = (f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run((*pip, "--upgrade", "pip"), check=True)
        out = Path(folder, "report.json")
        options = ("--dry-run", "--ignore-installed", "--no-deps", f"--report={out}")
        subprocess.run((*pip, *options, *requirements), check=True)
        found = json.loads(out.read_text(encoding="utf-8"))["install"]
    metadata = [each["metadata"] for each in found]
    return {
        canonicalize_name(each["name"]): licence(
            each.get("license_expression"), each.get("classifier", ()), each.get("license")
        )
        for each in metadata
    }


def licence(expression: str | None, classifiers: Iterable[str], text: str | None) -> str:
    """What metadata says, by the names of SPDX where it is a licence that has one; "" if it says nothing."""
    if expression:
        return expression
    classes = [line.split(" :: ")[-1] for line in classifiers if line.startswith("License")]
    exact = [named(each) for each in classes if each not in VAGUE]
    first = " ".join((text or "").strip().partition("\n")[0].split())
    if first and (named(first) in ALLOWED or is_expression(first)):
        return named(first)
    if exact:
        return " AND ".join(sorted(exact))
    if PROPRIETARY.search(first) or "Other/Proprietary License" in classes:
        return "proprietary"
    return named(first)


def named(words: str) -> str:
    """The name of a licence that has many."""
    return NAMES.get(words.lower(), words)


def is_expression(words: str) -> bool:
    """Whether it is made of licences that are allowed, and of nothing else."""
    return all(part.strip("() ") in ALLOWED for part in re.split(r" AND | OR ", words))


def allows(expression: str) -> bool:
    """Whether an expression leaves a way to use the package: one side of an OR, both sides of an AND."""
    words = expression.strip()
    for word, together in ((" OR ", any), (" AND ", all)):
        parts = outer(words, word)
        if len(parts) > 1:
            return together(map(allows, parts))
    return allows(words[1:-1]) if words.startswith("(") and words.endswith(")") else words in ALLOWED


def outer(words: str, separator: str) -> list[str]:
    """The parts between separators that stand in no brackets."""
    parts, depth = [""], 0
    for piece in re.split(f"({re.escape(separator)}|[()])", words):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def page(packages: list[Package]) -> str:
    """The page, as it stands in docs/."""
    counts = Counter(each.licence or "unknown" for each in packages)
    summary = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    lines = [
        "# Licences of what is installed",
        "",
        "prefixrag itself is under Apache-2.0. `make setup` installs these packages beside it, for CPUs or for GPUs,",
        "those of the tests included; none of them is part of this repository. Versions are the locks', licences what",
        "each package says of itself, with the exceptions of `setup/licences.toml`. Made by `make licences`, which",
        "fails on a licence that is not known or not allowed.",
        "",
        f"{len(packages)} packages: {summary}.",
        "",
        "| package | CPU | GPU | licence | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in packages:
        cpu, cuda = (each.versions.get(lock, "") for lock in LOCKS)
        lines.append(f"| {each.name} | {cpu} | {cuda} | {each.licence or 'unknown'} | {each.accepted} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"licences: {error.cmd[0]} ended with {error.returncode}. Mend what it says above, then run this again."
        )

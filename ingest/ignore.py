"""Which files below a folder are left out: by default, by ignore files, by what the command says."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pathspec import GitIgnoreSpec

from ingest.tree import Readable

IGNORE_FILE = ".ragignore"
_MAX_BYTES = 2**20
# The outermost ignore file, so that a `!.github/` of a folder's own can take back what it says.
_DEFAULT = GitIgnoreSpec.from_lines([".*", "__pycache__/", "node_modules/"])


@dataclass(frozen=True, slots=True)
class _Rule:
    folder: str  # that it holds below, with a final "/"; "" is the root
    spec: GitIgnoreSpec
    reason: str


@dataclass(frozen=True, slots=True)
class Ignores:
    """The rules that hold in one folder. Patterns are written as in .gitignore, and the innermost rule decides."""

    rules: tuple[_Rule, ...] = (_Rule("", _DEFAULT, "ignored by rule: hidden, a cache or a package folder"),)
    include: GitIgnoreSpec | None = None  # None: every file
    exclude: GitIgnoreSpec | None = None  # comes before all rules

    def below(self, folder: str, file: Readable) -> "Ignores":
        """The rules in `folder` when `file` is its ignore file.

        Raises:
            OSError: it cannot be read.
            ValueError: it cannot be understood; the message says why.
        """
        with file.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
        spec = parse_patterns(data.decode("utf-8-sig").splitlines())
        return replace(self, rules=(*self.rules, _Rule(folder, spec, f"ignored by {folder}{IGNORE_FILE}")))

    def reason(self, path: str) -> str | None:
        """Why `path` is left out; None: it is not. Folders have a final "/"."""
        if self.exclude and self.exclude.match_file(path):
            return "excluded"
        for rule in reversed(self.rules):
            decided = rule.spec.check_file(path.removeprefix(rule.folder)).include
            if decided is not None:
                if decided:
                    return rule.reason
                break
        if self.include and not path.endswith("/") and not self.include.match_file(path):
            return "not included"
        return None


NO_IGNORES = Ignores()


def make_ignores(include: Iterable[str], exclude: Iterable[str]) -> Ignores:
    """The rules at a root.

    Raises:
        ValueError: a pattern cannot be understood; the message says which.
    """
    specs = [parse_patterns(patterns) for patterns in (include, exclude)]
    return Ignores(include=specs[0] or None, exclude=specs[1] or None)


def parse_patterns(lines: Iterable[str]) -> GitIgnoreSpec:
    """The patterns in these lines.

    Raises:
        ValueError: one cannot be understood; the message says which.
    """
    # Its own error is a ValueError: "Invalid git pattern: ...".
    return GitIgnoreSpec.from_lines(lines)

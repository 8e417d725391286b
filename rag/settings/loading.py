"""Where each setting's value came from, and one loader for all of them.

Precedence: defaults < what is recommended for the model < `prefixrag.toml` in the working directory (or
`--config FILE` / `RAG_CONFIG`) < environment (`RAG_SERVER__PORT=9000`: section and name joined by two
underscores) < command line. Unknown names in the file and in the environment are errors. A secret may stand in a file
that the environment names: `RAG_ENGINE__API_KEY_FILE=/run/secrets/engine`. No other module reads the environment.
"""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from rag.errors import ConfigError
from rag.settings.recommended import recommended
from rag.settings.tree import PREFIX, Section, Settings
from rag.settings.trees import MISSING, Tree, merged_trees, value_at

CONFIG_FILE = "prefixrag.toml"
_FILE = "_FILE"  # behind the name of a secret's variable: the file that has it
# Read by their own commands before or beside the settings tree.
_OTHER_VARIABLES = {"RAG_CONFIG", "RAG_BENCH_DATA", "RAG_TEST_BROWSER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as `rag config` prints it. `source` is default, a file's path, environment or command line."""

    name: str
    value: object
    source: str
    default: object
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and the trees they came from, weakest first."""

    settings: Settings
    sources: tuple[tuple[str, Tree], ...]

    def describe(self) -> Iterator[Setting]:
        """All settings in the order of the tree, secrets masked."""
        defaults = Settings.model_construct()
        for path, description in _leaves():
            source = "default"
            for name, tree in self.sources:
                if value_at(tree, path) is not MISSING:
                    source = name
            yield Setting(
                name=".".join(path),
                value=_printable(_attribute(self.settings, path)),
                source=source,
                default=_printable(_attribute(defaults, path)),
                description=description,
            )


def traces_endpoint() -> str | None:
    """Where OpenTelemetry's own variables say that traces go, as its SDK reads them; None: nowhere."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if own := os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        return own
    shared = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return f"{shared.rstrip('/')}/v1/traces" if shared else None


def load(command_line: Tree | None = None, *, config: Path | None = None) -> Loaded:
    """Settings from all sources.

    command_line: a nested tree of what was given as options; leave out what was not given.
    config: the file named by `--config`; it must exist.

    Raises:
        ConfigError: a file that is missing or not TOML, an unknown name, a value of the wrong kind.
    """
    named = config or (Path(os.environ["RAG_CONFIG"]) if "RAG_CONFIG" in os.environ else None)
    file = named or Path(CONFIG_FILE)
    _refuse_unknown_variables()
    environment = merged_trees(_without_files(EnvSettingsSource(Settings)()), _secrets_in_files())
    given: tuple[tuple[str, Tree], ...] = (
        (str(file), _read_file(file, must_exist=named is not None)),
        ("environment", environment),
        ("command line", command_line or {}),
    )
    merged: dict[str, object] = {}
    for _, tree in given:
        merged = merged_trees(merged, tree)
    sources = (("recommended for the model", recommended(merged)), *given)
    merged = merged_trees(sources[0][1], merged)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, sources)) from None
    return Loaded(settings, sources)


def known_variables() -> set[str]:
    """Names of all environment variables that mean something to prefixrag."""
    return {_variable(path) for path, _ in _leaves()} | _secret_files().keys() | _OTHER_VARIABLES


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


def _secret_files() -> dict[str, tuple[str, ...]]:
    """The variables that name files with secrets, and the setting of each."""
    return {_variable(path) + _FILE: path for path in _secrets()}


def _secrets_in_files() -> Tree:
    """The secrets of files that the environment names, less the line break at the end that editors put there.

    Raises:
        ConfigError: a file cannot be read or is empty, or the secret stands in the environment as well.
    """
    given = {name.upper(): value for name, value in os.environ.items()}
    tree: dict[str, object] = {}
    for name, path in _secret_files().items():
        if name not in given:
            continue
        if _variable(path) in given:
            raise ConfigError(f"Both {name} and {_variable(path)} are set. Unset one of them.")
        try:
            secret = Path(given[name]).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise ConfigError(f"The file {given[name]!r} of {name} cannot be read: {error}. Correct it.") from None
        if not secret:
            raise ConfigError(f"The file {given[name]!r} of {name} is empty. Write the secret into it.")
        found: dict[str, object] = {path[-1]: secret}
        tree = dict(merged_trees(tree, {path[0]: found} if len(path) == 2 else found))
    return tree


def _without_files(tree: Tree) -> Tree:
    """What pydantic read, which takes the variables of files for settings."""
    names = {path[-1] + _FILE.lower() for path in _secrets()}
    return {
        name: {inner: each for inner, each in value.items() if inner not in names} if isinstance(value, dict) else value
        for name, value in tree.items()
        if name not in names
    }


def _refuse_unknown_variables() -> None:
    known = known_variables() | {PREFIX + name.upper() for name in Settings.model_fields}
    aliases = PREFIX + "MODELS__ALIASES__"
    for name in os.environ:
        if name.startswith(PREFIX) and name.upper() not in known and not name.startswith(aliases):
            raise ConfigError(
                f"Unknown environment variable {name!r}. `rag config` lists every setting; unset or correct it."
            )


def _read_file(file: Path, *, must_exist: bool) -> Tree:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if not must_exist:
            return {}
        raise ConfigError(
            f"The configuration file {str(file)!r} does not exist. Correct --config or RAG_CONFIG."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"The configuration file {str(file)!r} cannot be read: {error}. Mend it or name another."
        ) from None


def _explain(error: ValidationError, sources: tuple[tuple[str, Tree], ...]) -> str:
    lines = []
    for detail in error.errors():
        path = tuple(str(part) for part in detail["loc"])
        source = next((name for name, tree in reversed(sources) if value_at(tree, path) is not MISSING), "settings")
        if detail["type"] == "extra_forbidden":
            problem = "is not a setting"
        else:
            problem = f"= {detail['input']!r} is refused: {detail['msg']}"
        lines.append(f"{'.'.join(path)} {problem} (from {source}).")
    return " ".join(lines) + " `rag config` lists every setting."


def _leaves() -> Iterator[tuple[tuple[str, ...], str]]:
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            for inner, field in kind.model_fields.items():
                yield (name, inner), field.description or ""
        else:
            yield (name,), info.description or ""


def _secrets() -> Iterator[tuple[str, ...]]:
    """The settings that are secrets."""
    for name, info in Settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from ((name, inner) for inner, field in kind.model_fields.items() if _is_secret(field.annotation))
        elif _is_secret(kind):
            yield (name,)


def _is_secret(kind: object) -> bool:
    return kind is SecretStr or SecretStr in get_args(kind)


def _attribute(tree: object, path: tuple[str, ...]) -> object:
    for part in path:
        tree = getattr(tree, part)
    return tree


def _printable(value: object) -> object:
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, dict):
        return {name: _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, tuple) else value

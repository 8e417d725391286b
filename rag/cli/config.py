"""`rag config`: every setting."""

from dataclasses import asdict

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say_json, say_table


def config(*, data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Print every setting, its value and its source. Secrets are masked.

    Weakest first: defaults, prefixrag.toml (or --config, RAG_CONFIG), the environment (RAG_SERVER__PORT=9000 for
    server.port), the command line.
    """
    settings = list(load_settings(data_dir, config).describe())
    if as_json:
        say_json({"settings": [asdict(setting) for setting in settings]})
        return
    say_table(
        ("setting", "value", "source", "description"),
        [(setting.name, _shown(setting.value), setting.source, setting.description) for setting in settings],
    )


def _shown(value: object) -> object:
    return value if value not in ([], {}, "") else None

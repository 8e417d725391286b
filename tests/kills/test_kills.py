"""An ingest that is killed at any moment loses nothing: 20 kills here, 300 by `make test-kills`."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

Torment = Callable[..., Any]  # of conftest.py: it gives a Driver


def hold_against_an_undisturbed_run(driver: Any) -> None:
    assert driver.everything(driver.data_dir) == driver.everything(driver.undisturbed())
    (collection,) = (driver.data_dir / "collections").glob("vs_*")
    assert not list(collection.glob("spool-*"))
    assert len(list((collection / "generations").iterdir())) <= 2
    report = asdict(driver.report) | {"generations": len(driver.report.generations)}
    print(json.dumps(report))  # noqa: T201 - what the run was like, with pytest -s


@pytest.mark.timeout(600)
def test_after_20_kills_the_collection_is_that_of_an_undisturbed_run(torment: Torment) -> None:
    hold_against_an_undisturbed_run(torment(kills=20, seed=6))


@pytest.mark.kills
@pytest.mark.timeout(3600)
def test_after_300_kills_the_collection_is_that_of_an_undisturbed_run(torment: Torment) -> None:
    hold_against_an_undisturbed_run(torment(kills=300, seed=int(os.environ.get("KILLS_SEED", "1"))))

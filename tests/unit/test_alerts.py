"""Each alert fires on series that mean its condition, and not without: by Prometheus' own evaluation."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from rag.telemetry import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
CHAT = 'rag_requests_total{route="/v1/chat/completions", status="%d", job="prefixrag", instance="a"}'
SHED = 'rag_shed_requests_total{reason="too_late", priority="normal", job="prefixrag", instance="a"}'
FIRST = 'rag_first_tokens_total{priority="%s", objective="%s", job="prefixrag", instance="a"}'
LEFT = 'rag_alias_left{alias="chat", model="new", job="prefixrag", instance="a"}'
FILES = 'rag_indexed_files_total{outcome="%s", job="prefixrag", instance="a"}'


def of_engine(name: str) -> str:
    return f'{name}{{engine="http://e", job="prefixrag", instance="a"}}'


def of_service(name: str) -> str:
    return f'{name}{{job="prefixrag", instance="a"}}'


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, a value a minute, and whether the alert fires at a minute."""

    alert: str
    fires: bool
    series: dict[str, str]
    minute: int = 30


CASES = [
    Case("PrefixragDown", True, {of_service("up"): "1 0x60"}),
    Case("PrefixragDown", False, {of_service("up"): "1 0 1x60"}),
    Case("PrefixragEngineDown", True, {of_engine("rag_engine_up"): "1 0x60"}),
    Case("PrefixragEngineDown", False, {of_engine("rag_engine_up"): "1x28 0 1x60"}),
    Case("PrefixragEngineRestarting", True, {of_engine("rag_engine_restarts"): "0x10 1x10 2x40"}),
    Case("PrefixragEngineRestarting", False, {of_engine("rag_engine_restarts"): "0x10 1x50"}),
    Case("PrefixragEngineRestarting", False, {of_engine("rag_engine_restarts"): "5x10 0x50"}),  # the service began anew
    Case("PrefixragTrafficReturned", True, {LEFT: "0x20 1x40"}),
    Case("PrefixragTrafficReturned", False, {LEFT: "0 1x20 0x40"}),  # it was given its share again
    Case(
        "PrefixragReuseNotProven",
        True,
        {of_engine("rag_engine_reuse_proven"): "0x60", of_engine("rag_engine_up"): "1x60"},
    ),
    Case(
        "PrefixragReuseNotProven",
        False,
        {of_engine("rag_engine_reuse_proven"): "0x60", of_engine("rag_engine_up"): "0x60"},
    ),
    Case("PrefixragReuseNotProven", False, {of_engine("rag_engine_reuse_proven"): "1x60"}),
    Case("PrefixragPredictionOff", True, {of_engine("rag_engine_prediction_error_ratio"): "0.3x60"}),
    Case("PrefixragPredictionOff", False, {of_engine("rag_engine_prediction_error_ratio"): "0.02x60"}),
    Case("PrefixragPredictionOff", False, {of_engine("rag_engine_prediction_error_ratio"): "0.3x20 0x40"}),
    Case("PrefixragShedding", True, {SHED: "0+10x60", CHAT % 429: "0+10x60", CHAT % 200: "0+90x60"}),
    Case("PrefixragShedding", False, {SHED: "0+1x60", CHAT % 429: "0+1x60", CHAT % 200: "0+90x60"}),
    Case("PrefixragShedding", False, {SHED: "0x60", CHAT % 200: "0x60"}),  # nobody asks
    Case("PrefixragFirstTokenLate", True, {FIRST % ("high", "missed"): "0+1x60", FIRST % ("high", "kept"): "0+9x60"}),
    Case("PrefixragFirstTokenLate", False, {FIRST % ("low", "missed"): "0+9x60", FIRST % ("low", "kept"): "0+9x60"}),
    Case("PrefixragFirstTokenLate", False, {FIRST % ("high", "missed"): "0x60", FIRST % ("high", "kept"): "0+9x60"}),
    Case("PrefixragQueueGrowing", True, {of_service("rag_queued_requests"): "0 1+2x60"}),
    Case("PrefixragQueueGrowing", False, {of_service("rag_queued_requests"): "0 60-1x60"}),  # it gets shorter
    Case("PrefixragQueueGrowing", False, {of_service("rag_queued_requests"): "0 5 0 9 0 12 0 15 0 22 0 24 0x40"}, 12),
    Case("PrefixragErrors", True, {CHAT % 500: "0+5x60", CHAT % 200: "0+95x60"}),
    Case("PrefixragErrors", False, {CHAT % 404: "0+50x60", CHAT % 200: "0+50x60"}),
    Case("PrefixragIngestFailing", True, {of_service("rag_indexing_errors_total"): "0x20 1x40"}),
    Case("PrefixragIngestFailing", False, {of_service("rag_indexing_errors_total"): "0x5 1x60"}),
    Case("PrefixragFilesFailing", True, {FILES % "failed": "0+1x60", FILES % "completed": "0+1x60"}),
    Case("PrefixragFilesFailing", False, {FILES % "failed": "0x20 1x40", FILES % "completed": "0+1x60"}),
    Case("PrefixragStorageStale", True, {of_service("rag_storage_synced_timestamp_seconds"): "60x60"}),
    Case(
        "PrefixragStorageStale", False, {of_service("rag_storage_synced_timestamp_seconds"): "0x60"}
    ),  # none is shared
    Case("PrefixragStorageStale", False, {of_service("rag_storage_synced_timestamp_seconds"): "1+60x60"}),
    Case(
        "PrefixragDiskFull",
        True,
        {of_service("rag_data_disk_free_bytes"): "500-20x60", of_service("rag_data_disk_size_bytes"): "1000x60"},
    ),
    Case(
        "PrefixragDiskFull",
        False,
        {of_service("rag_data_disk_free_bytes"): "500x60", of_service("rag_data_disk_size_bytes"): "1000x60"},
    ),
    Case(
        "PrefixragHandlesShort",
        True,
        {of_service("process_open_fds"): "900x60", of_service("process_max_fds"): "1024x60"},
    ),
    Case(
        "PrefixragHandlesShort",
        False,
        {of_service("process_open_fds"): "90x60", of_service("process_max_fds"): "1024x60"},
    ),
]


def test_files_are_valid(promtool) -> None:
    for check, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        done = subprocess.run([promtool, "check", check, DEPLOY / file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_on_their_condition_and_not_without(promtool, tmp_path) -> None:
    """One run for all: in a group of its own each, named as the case."""
    groups = [
        {
            "name": f"case {number}: {case.alert} {'fires' if case.fires else 'does not'}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}}) or vector(0)',
                    "eval_time": f"{case.minute}m",
                    "exp_samples": [{"labels": "{}", "value": int(case.fires)}],
                }
            ],
        }
        for number, case in enumerate(CASES)
    ]
    file = tmp_path / "tests.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(DEPLOY / "alerts.yml")], "tests": groups}), "utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fires", [True, False])
def test_every_alert_has_both_cases(fires: bool) -> None:
    assert {case.alert for case in CASES if case.fires is fires} == {rule["alert"] for rule in RULES}


def test_every_alert_has_a_runbook() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)

    assert headings == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_cases_are_of_series_that_the_service_has() -> None:
    labels = {row.name: {*row.labels, "job", "instance"} for row in Metrics().table.rows}
    for case in CASES:
        for series in case.series:
            name, _, rest = series.partition("{")
            if name.startswith("rag_"):
                assert set(re.findall(r"(\w+)=", rest)) == labels[name], series

"""The table of metrics says what is registered, and a label of it is never without a meaning."""

from prometheus_client.parser import text_string_to_metric_families

from rag.telemetry import LABELS, Metrics
from rag.types import Priority


def test_the_table_has_every_metric_that_is_rendered() -> None:
    metrics = Metrics()
    rendered = list(text_string_to_metric_families(metrics.render().decode()))
    ours = {
        (each.name, each.type, each.documentation)
        for each in rendered
        if each.name.startswith("rag_") and not each.name.endswith("_created")
    }

    assert ours == {(row.name.removesuffix("_total"), row.kind, row.meaning) for row in metrics.table.rows}
    assert "process_open_fds" in {each.name for each in rendered}


def test_every_label_is_explained_and_every_explained_label_is_used() -> None:
    assert {label for row in Metrics().table.rows for label in row.labels} == set(LABELS)


def test_a_first_token_keeps_its_objective_up_to_the_last_moment() -> None:
    metrics = Metrics()
    for seconds in (0.1, 2.0, 2.1):
        metrics.first_token(seconds, priority=Priority.HIGH, objective_s=2.0)
    lines = metrics.render().decode().splitlines()

    assert 'rag_first_tokens_total{objective="kept",priority="high"} 2.0' in lines
    assert 'rag_first_tokens_total{objective="missed",priority="high"} 1.0' in lines
    assert "rag_first_token_seconds_count 3.0" in lines

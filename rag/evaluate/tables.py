"""The tables that a terminal sees of a run and of a comparison."""

from collections.abc import Iterator, Sequence

from rag.evaluate.compare import Difference
from rag.evaluate.run import Document
from rag.types import Status

Table = tuple[tuple[str, ...], list[tuple[object, ...]]]

# What each measure says, in the order of the table.
MEASURES = {
    "recall@1": "gold passages among the first 1 retrieved",
    "recall@3": "among the first 3",
    "recall@5": "among the first 5",
    "recall@10": "among the first 10",
    "ndcg@10": "the same, with the order",
    "mrr": "1 / rank of the first gold passage",
    "gold_in_prompt": "gold passages that the prompt showed",
    "cites_gold": "answerable questions with a citation of a gold passage",
    "quotes_only": "answers to them whose statements are all word for word in their source",
    "citation_gold": "citations whose source is a gold passage",
    "citation_verified": "citations that the service found in their source",
    "statements_cited": "statements with a verified citation",
    "answer_contains": "answers that contain a known one",
    "right_and_cited": "the same, with a citation that the service found in a gold passage",
    "answer_exact": "answers that are a known one and nothing else",
    "answer_f1": "words shared with the best known answer",
    "no_answer_precision": "of all refusals, those of unanswerable questions",
    "no_answer_recall": "of all unanswerable questions, those refused",
    "no_answer_or_unsupported": "those refused, or answered with nothing that was found in its source",
    "no_answer_wrong": "of all answerable questions, those refused",
    "reuse": "prompt tokens that were not computed again",
    "first_token_ms": "mean, in milliseconds",
    "total_ms": "mean, in milliseconds",
}


def run_tables(run: Document) -> Iterator[Table]:
    """The measures, then citations by status, then times."""
    rows: list[tuple[object, ...]] = [
        (name, f"{run['measures'][name]['value']:.3f}", run["measures"][name]["n"], meaning)
        for name, meaning in MEASURES.items()
        if name in run["measures"] and not name.endswith("_ms")
    ]
    yield ("measure", "value", "questions", "what it is"), rows
    if counts := run["citations"]["by_status"]:
        statuses = sorted(counts.items(), key=lambda each: each[0] == Status.UNSUPPORTED)  # its problems come next
        problems = [(f"  {name}", count) for name, count in run["citations"]["by_problem"].items()]
        yield ("citations", "number"), [*statuses, *problems]
    times = [(name.replace("_", " "), each["p50"], each["p95"]) for name, each in run["latency_ms"].items()]
    if times:
        yield ("time", "p50 ms", "p95 ms"), list(times)


def comparison_table(differences: Sequence[Difference]) -> Table:
    """A row for each measure of both."""
    ordered = sorted(differences, key=lambda each: list(MEASURES).index(each.measure))
    rows: list[tuple[object, ...]] = [
        (
            each.measure,
            f"{each.a:.3f}",
            f"{each.b:.3f}",
            f"{each.difference:+.3f}",
            f"{each.low:+.3f} to {each.high:+.3f}",
            f"{each.p:.4f}",
            each.n,
        )
        for each in ordered
    ]
    return ("measure", "A", "B", "B - A", "95 % interval", "p", "questions"), rows

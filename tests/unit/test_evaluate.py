"""The measures of `rag eval` against cases worked by hand, and against other implementations."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score

from rag.errors import ConfigError
from rag.evaluate.compare import compare
from rag.evaluate.outcome import Cited, Said, outcome, passage_ids, statements
from rag.evaluate.questions import Question, half_of, pick, read_passages, read_questions
from rag.evaluate.ranks import ndcg, recall, reciprocal_rank
from rag.evaluate.run import read_run, summed
from rag.evaluate.upload import file_name
from rag.evaluate.words import contains, exact_match, f1, words


def test_words_are_compared_without_case_marks_and_articles() -> None:
    assert words("The Normans' “fief” (an old one) [2].") == ["normans", "fief", "old", "one"]


def test_characters_are_the_words_of_scripts_without_spaces() -> None:
    assert words("東京は、Tokyo 2020") == ["東", "京", "は", "tokyo", "2020"]


@pytest.mark.parametrize(
    ("answer", "known", "is_exact", "contains_it", "shared"),
    [
        ("The Normans. [1]", ["normans"], True, True, 1.0),
        ("It was founded by the Normans in 1066.", ["Normans"], False, True, 2 / 8),
        ("In 1984.", ["198"], False, False, 0.0),  # whole words only
        ("red green blue", ["green blue red"], False, False, 1.0),  # F1 does not see order
        ("10th century", ["the 11th century", "10th"], False, True, 2 / 3),  # the best of both
        ("丹佛野马队赢了", ["丹佛野马"], False, True, 2 * 4 / (7 + 4)),
        ("", ["Normans"], False, False, 0.0),
    ],
)
def test_answers_are_scored_as_by_hand(
    answer: str, known: list[str], is_exact: bool, contains_it: bool, shared: float
) -> None:
    assert exact_match(answer, known) is is_exact
    assert contains(answer, known) is contains_it
    assert f1(answer, known) == pytest.approx(shared)


def test_ranks_are_scored_as_by_hand() -> None:
    ranked, gold = ["x", "a", "y", "b"], {"a": 1, "b": 1, "c": 1}

    assert [recall(ranked, gold, k) for k in (1, 3, 10)] == [0, 1 / 3, 2 / 3]
    assert reciprocal_rank(ranked, gold) == 1 / 2
    assert reciprocal_rank(["x"], gold) == 0
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(ranked, gold, 10) == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)


def test_ndcg_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        grades = random.integers(0, 3, 12)
        grades[0] = 1  # at least one is gold
        order = random.permutation(12)
        scores = np.empty(12)
        scores[order] = np.arange(12, 0, -1)
        gold = {str(index): int(grade) for index, grade in enumerate(grades) if grade}

        expected = ndcg_score([grades], [scores], k=10)
        assert ndcg([str(index) for index in order], gold, 10) == pytest.approx(expected)


def question(name: str = "q", *, answers: tuple[str, ...] = ("6 euros",), gold: tuple[str, ...] = ("p#1",)) -> Question:
    return Question(
        id=name, text="?", answers=answers, gold=dict.fromkeys(gold, 1), is_answerable=bool(answers or gold)
    )


def said(text: str = "It costs 6 euros. [1] It is red. [2]", **fields: object) -> Said:
    given: dict[str, object] = {
        "retrieved": ["other.md", "p#1.md", "p#1.md"],
        "context": ["p#1.md"],
        "citations": [
            Cited(document="p#1.md", status="exact", problem=None, start=0, end=17),
            Cited(document="other.md", status="unsupported", problem="contradicted", start=22, end=32),
        ],
        "no_answer": False,
        "first_token_ms": 20.0,
        "total_ms": 50.0,
        "prompt_tokens": 100,
        "cached_tokens": 60,
        **fields,
    }
    return Said(text=text, **given)  # type: ignore[arg-type]


def test_an_answer_is_measured_in_all_ways_that_apply() -> None:
    assert outcome(question(), said()).measures == {
        "recall@1": (0, 1),
        "recall@3": (1, 1),
        "recall@5": (1, 1),
        "recall@10": (1, 1),
        "ndcg@10": (pytest.approx(1 / math.log2(3)), 1),
        "mrr": (1 / 2, 1),
        "gold_in_prompt": (1, 1),
        "cites_gold": (1, 1),
        "quotes_only": (0, 1),
        "citation_gold": (1, 2),
        "citation_verified": (1, 2),
        "statements_cited": (1, 2),
        "no_answer_wrong": (0, 1),
        "answer_contains": (1, 1),
        "right_and_cited": (1, 1),
        "answer_exact": (0, 1),
        "answer_f1": (pytest.approx(2 * 2 / (7 + 2)), 1),
        "reuse": (60, 100),
        "first_token_ms": (20, 1),
        "total_ms": (50, 1),
    }


def test_a_refusal_of_an_unanswerable_question_is_right() -> None:
    none = outcome(
        question(answers=(), gold=()), said("Nothing is said of it.", citations=[], no_answer=True, cached_tokens=None)
    )
    right = {"no_answer_precision": (1, 1), "no_answer_recall": (1, 1), "no_answer_or_unsupported": (1, 1)}
    assert right.items() <= none.measures.items()
    assert not {"recall@1", "citation_gold", "statements_cited", "answer_f1", "reuse"} & none.measures.keys()


@pytest.mark.parametrize(("status", "held_back"), [("exact", 0), ("unsupported", 1)])
def test_an_answer_where_there_is_none_counts_as_held_back_if_nothing_supports_it(status: str, held_back: int) -> None:
    cited = Cited(document="harbour.md", status=status, problem=None, start=0, end=5)
    none = outcome(question(answers=(), gold=()), said("It is so.", citations=[cited], no_answer=False))
    assert none.measures["no_answer_or_unsupported"] == (held_back, 1)
    assert none.measures["no_answer_recall"] == (0, 1)


def test_what_the_service_does_not_tell_is_not_measured() -> None:
    assert not [name for name in outcome(question(), said(no_answer=None)).measures if name.startswith("no_answer")]


def test_a_marker_is_no_statement() -> None:
    text = "It is so. [1] And so. [2][3]"
    assert [text[start:end] for start, end in statements(text)] == ["It is so.", "And so."]


@pytest.mark.parametrize("name", ["Article#001", "en/Article#1", "a%2Fb", 'x:"y"?', "v1.2", "潮/ü", "plain.md"])
def test_a_passage_is_found_again_by_the_name_of_its_document(name: str) -> None:
    assert "/" not in file_name(name)
    assert name in passage_ids(file_name(name))


def test_a_document_of_ones_own_is_gold_by_its_path() -> None:
    assert "guide/refunds.pdf" in passage_ids("guide/refunds.pdf")
    assert "refunds" not in passage_ids("guide/refunds.pdf")


def test_shares_of_many_questions_are_of_the_sums() -> None:
    measured = summed([{"citation_gold": (1, 1)}, {"citation_gold": (0, 3)}, {}])
    assert (measured["citation_gold"].value, measured["citation_gold"].n) == (1 / 4, 2)


def write(folder: Path, queries: list[object], qrels: str = "", corpus: list[object] | None = None) -> Path:
    with gzip.open(folder / "queries.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(each if isinstance(each, str) else json.dumps(each) for each in queries))
    (folder / "qrels.tsv").write_text(qrels)
    (folder / "passages.jsonl").write_text("".join(json.dumps(each) + "\n" for each in corpus or []), "utf-8-sig")
    return folder


def test_a_folder_is_read_in_each_of_its_shapes(tmp_path: Path) -> None:
    queries = [
        {"_id": "1", "text": "a?", "answers": [{"text": "A", "start": 3}, {"text": "AA"}], "is_impossible": False},
        {"_id": "2", "text": "b?", "answers": [], "is_impossible": True, "doc_id": "p"},
        {"_id": "3", "text": "c?", "doc_ids": ["p", "q"]},
        {"_id": "4", "text": "d?", "answers": ["D"]},
        {"_id": "5", "text": "e?", "answerable": False},
    ]
    corpus = [{"_id": "p", "title": "P", "text": "…"}, {"_id": "q", "text": "…"}]
    folder = write(tmp_path, queries, "query-id\tcorpus-id\tscore\n1\tp\t2\n1\tq\t0\n", corpus)
    questions = read_questions(folder)

    assert [(each.answers, each.gold, each.is_answerable) for each in questions] == [
        (("A", "AA"), {"p": 2}, True),
        ((), {}, False),
        ((), {"p": 1, "q": 1}, True),
        (("D",), {}, True),
        ((), {}, False),
    ]
    assert [(each.id, each.title) for each in read_passages(folder)] == [("p", "P"), ("q", "")]


@pytest.mark.parametrize(
    ("queries", "qrels", "says"),
    [
        ([{"_id": "1"}], "", "line 1: 'text' is None and not text"),
        (["", "[1]"], "", "line 2: '[1]' is no JSON object"),
        ([{"_id": "1", "text": "a?", "answers": "A"}], "", "'answers' is 'A' and not a list of texts"),
        ([{"_id": "1", "text": "a?", "answerable": "no"}], "", "neither true nor false"),
        (
            [{"_id": "1", "text": "a?", "answers": ["A"], "answerable": False}],
            "",
            "cannot be answered, and has answers",
        ),
        ([{"_id": "1", "text": "a?"}, {"_id": "1", "text": "b?"}], "", "line 2: the id '1' stands on a line before"),
        ([{"_id": "1", "text": "a?"}], "2\tp\t1\n", "names 1 questions that queries.jsonl lacks, such as '2'"),
        ([{"_id": "1", "text": "a?"}], "1 p 1\n", "line 1: '1 p 1' is not question id, passage id and a whole number"),
        ([], "", "has no questions"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, queries: list[object], qrels: str, says: str) -> None:
    folder = write(tmp_path, queries, qrels)
    with pytest.raises(ConfigError) as error:
        read_questions(folder)
    assert says in str(error.value)


def test_a_folder_without_questions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no queries\.jsonl"):
        read_questions(tmp_path)
    (tmp_path / "queries.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_questions(tmp_path)


def test_questions_are_drawn_by_their_ids() -> None:
    questions = [question(str(number)) for number in range(100)]
    a, b = pick(questions, split="a"), pick(questions, split="b")

    assert sorted(each.id for each in a + b) == sorted(each.id for each in questions)
    assert {half_of(each.id) for each in a} == {"a"}
    assert pick(questions[::-1], split="a", limit=5) == a[:5]
    assert pick(questions, limit=10, seed=2) != pick(questions, limit=10)


def run_of(values: dict[str, list[float]]) -> dict[str, object]:
    return {
        "rows": [
            {"id": name, "error": None, "measures": {"m": fraction} if fraction else {}}
            for name, fraction in values.items()
        ]
    }


def test_an_interval_is_that_of_scipy() -> None:
    random = np.random.default_rng(5)
    a = random.random(80)
    b = np.clip(a + random.normal(0.05, 0.2, 80), 0, 1)
    (found,) = compare(
        run_of({str(index): [value, 1.0] for index, value in enumerate(a)}),
        run_of({str(index): [value, 1.0] for index, value in enumerate(b)}),
    )
    expected = stats.bootstrap((b - a,), np.mean, n_resamples=10_000, method="percentile", random_state=7)

    assert found.difference == pytest.approx((b - a).mean())
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.003)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.003)
    assert found.p == pytest.approx(2 * (expected.bootstrap_distribution <= 0).mean(), abs=0.01)


def test_only_questions_of_both_runs_are_compared() -> None:
    a = run_of({"1": [1.0, 1.0], "2": [0.0, 1.0], "3": [1.0, 1.0], "only a": [0.0, 1.0], "4": []})
    b = run_of({"1": [1.0, 1.0], "2": [1.0, 1.0], "3": [1.0, 1.0], "only b": [0.0, 1.0], "4": []})
    (found,) = compare(a, b)

    assert (found.a, found.b, found.n) == (2 / 3, 1.0, 3)
    assert 0 < found.p <= 1
    assert compare(a, b) == [found]  # the seed decides


def test_runs_without_a_common_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no answered question in common"):
        compare(run_of({"1": [1.0, 1.0]}), run_of({"2": [1.0, 1.0]}))
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no run of `rag eval`"):
        read_run(tmp_path / "x.json")

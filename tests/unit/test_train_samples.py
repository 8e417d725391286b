"""Samples for the adapter: prompts of the service's own renderer, and answers that stand in them."""

import json
import random
from pathlib import Path

import pytest

from rag.models import load_chat_format
from rag.render import ChatTemplate, ChatTokenizer, Renderer, load_parts
from rag.train.held_out import write_held_out
from rag.train.mix import training
from rag.train.samples import NO_ANSWER, Samples, Shape
from rag.train.sets import HELD_OUT, Library, read_library

TOWNS = ("Arden", "Belmont", "Corfu", "Dover", "Elsinore", "Fiume")


def passage(town: str, at: int) -> dict[str, object]:
    text = f"The harbour of {town} was built in {1800 + at}. Ships of {town} carry salt and wool to the north."
    return {"_id": f"{town}#{at}", "title": town, "text": text}


def question(town: str, at: int) -> dict[str, object]:
    answer = {"text": str(1800 + at), "start": len(f"The harbour of {town} was built in ")}
    return {
        "_id": f"q{town}{at}",
        "text": f"When was the harbour of {town} built?",
        "doc_id": f"{town}#{at}",
        "answers": [answer],
        "is_impossible": False,
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every set with two or more passages, and a question of each kind."""
    folder = tmp_path_factory.mktemp("sets")
    towns = [*TOWNS, *sorted(HELD_OUT)]
    squad = [passage(town, at) for at, town in enumerate(towns)]
    squad += [passage(town, at + 20) for at, town in enumerate(towns)]
    asked = [question(town, at) for at, town in enumerate(towns)] + [question(t, n + 20) for n, t in enumerate(towns)]
    write(folder / "squad", squad, asked)
    spoken = [{**each, "_id": f"{lang}/{each['_id']}", "lang": lang} for lang in ("en", "de") for each in squad[:4]]
    write(
        folder / "xquad",
        spoken,
        [
            {**each, "_id": f"{lang}/{each['_id']}", "lang": lang, "doc_id": f"{lang}/{each['doc_id']}"}
            for lang in ("en", "de")
            for each in asked[:4]
        ],
    )
    long = passage("Genoa", 50)
    starts = [0, str(long["text"]).index("Ships")]
    supported = {"text": "It carries salt.", "sentences": [1]}
    write(
        folder / "clapnq",
        [{**long, "sent_starts": starts}],
        [
            {
                "_id": "c",
                "text": "what do ships of genoa carry",
                "doc_id": long["_id"],
                "answerable": True,
                "answers": [supported],
            }
        ],
    )
    talk = [
        {"role": "user", "text": "Hello Genoa"},
        {"role": "assistant", "text": "Yes."},
        {"role": "user", "text": "Salt?"},
    ]
    write(folder / "mtrag", [long], [], name="passages.jsonl")
    rows = {
        "_id": "m",
        "conversation_id": "m",
        "messages": talk,
        "reference_answer": "Ships of Genoa carry salt and wool north.",
        "passage_ids": [long["_id"]],
        "answerability": "ANSWERABLE",
    }
    lines(folder / "mtrag" / "conversations.jsonl", [rows])
    abstract = {"_id": "p", "text": "Salt was studied in ships. Wool keeps salt dry in ships."}
    write(
        folder / "pubmedqa",
        [abstract],
        [
            {
                "_id": "qp",
                "text": "Does wool keep salt dry?",
                "doc_id": "p",
                "split": "train",
                "conclusion": "Wool keeps salt dry in ships.",
            }
        ],
    )
    people = [
        {
            "_id": "w1",
            "title": "Ann Lee",
            "text": "Ann Lee (born 3 May 1950) is a sailor. She is the mother of Bob Lee.",
        },
        {"_id": "w2", "title": "Bob Lee", "text": "Bob Lee (born 4 June 1975) is a singer."},
    ]
    write(
        folder / "wiki2hop",
        people,
        [{"_id": "h", "text": "When was the mother of Bob Lee born?", "doc_ids": ["w1", "w2"]}],
    )
    return folder


def write(
    folder: Path, passages: list[dict[str, object]], questions: list[dict[str, object]], *, name: str = "corpus.jsonl"
) -> None:
    folder.mkdir()
    lines(folder / name, passages)
    lines(folder / "queries.jsonl", questions)


def lines(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture(scope="module")
def library(data: Path) -> Library:
    return read_library(data)


@pytest.fixture(scope="module")
def samples(library: Library, tiny_format: Path) -> Samples:
    chat_format = load_chat_format(str(tiny_format))
    tokenizer = ChatTokenizer(chat_format.tokenizer_json)
    template = ChatTemplate(tokenizer, chat_format.apply_template)
    return Samples(library, {n: Renderer(tokenizer, template, load_parts(), n_pointed_out=n) for n in (0, 1, 3)})


def test_every_set_gives_cases_and_their_quotes_stand_in_their_passages(library: Library) -> None:
    kinds = {case.id.split("/")[0] for case in library.cases}
    assert kinds == {"squad", "xquad", "clapnq", "mtrag", "pubmedqa", "wiki2hop", "facts"}
    for case in library.cases:
        assert case.quotes
        assert all(quote.text in " ".join(quote.chunk.text.split()) for quote in case.quotes)
        assert not case.answers or any(answer in case.quotes[0].text for answer in case.answers)


def test_an_answer_is_quotes_that_the_prompt_shows_under_their_numbers(library: Library, samples: Samples) -> None:
    tokenizer = samples.renderer.tokenizer
    made = list(training(library.cases, samples, seed=3))
    cases = {case.id: case for case in library.cases}
    assert {sample.kind for sample in made} >= {"squad", "squad-removed", "joined", "following"}
    for sample in made:
        text = tokenizer.decode(sample.answer)
        assert len(sample.weights) == len(sample.answer)
        if NO_ANSWER["en"] in text or NO_ANSWER["de"] in text:
            continue
        shown = {one.number: " ".join(one.chunk.text.split()) for one in sample.prompt.shown}
        for quote in cases[sample.case.split("+")[0]].quotes:
            # The two sets have one passage in common, so it may be shown twice.
            assert any(f"{quote.text} [{number}]" in text for number, said in shown.items() if quote.text in said)


def test_what_answers_is_gone_where_it_is_removed(library: Library, samples: Samples) -> None:
    case = next(case for case in library.cases if case.id == "squad/qCorfu2")
    for prefix in (0, 400):
        shape = Shape(n_tail=5, prefix_tokens=prefix, is_removed=True, n_pointed_out=3)
        sample = samples.make(case, shape, random.Random(1), "removed")
        assert sample
        assert sample.prompt.shown
        assert not [one for one in sample.prompt.shown if "1802" in one.chunk.text]
        assert NO_ANSWER["en"] in samples.renderer.tokenizer.decode(sample.answer)


def test_nothing_is_made_of_articles_that_are_held_out(library: Library, samples: Samples) -> None:
    cases = {case.id: case for case in library.cases}
    made = training(library.cases, samples, seed=3)
    assert not {cases[name].group for sample in made for name in sample.case.split("+")} & HELD_OUT


def test_folders_for_the_evaluation_lack_what_they_say(data: Path, tmp_path: Path) -> None:
    write_held_out(data / "squad", tmp_path)
    read = {
        name: [
            [json.loads(line) for line in (tmp_path / name / f"{file}.jsonl").read_text().splitlines()]
            for file in ("corpus", "queries")
        ]
        for name in ("answered", "removed")
    }
    passages, questions = read["removed"]
    assert len(read["answered"][1]) == 2 * len(questions) == 2 * len(HELD_OUT)
    assert all(each["is_impossible"] for each in questions)
    kept = {each["_id"] for each in passages}
    gone = {each["_id"] for each in read["answered"][0]} - kept
    assert {f"q{name.replace('#', '')}" for name in gone} == {each["_id"] for each in questions}

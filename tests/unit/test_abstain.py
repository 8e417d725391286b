"""Whether there is an answer at all, and how it is said that there is none."""
# ruff: noqa: RUF001 - words of other languages

import tomllib
from importlib.resources import files

import pytest

from rag.abstain import Abstention, evidence, is_question_of_facts
from rag.types import Anchor, Chunk, ChunkId, Hit

WORDS = tomllib.loads((files("prompts") / "no_answer.toml").read_text("utf-8"))


def hit(score: float, text: str = "The warranty lasts 26 months.", rank: int = 1) -> Hit:
    chunk = Chunk(id=ChunkId("c"), seq=0, document="d", title="T", anchor=Anchor(), start=0, end=len(text), text=text)
    return Hit(chunk=chunk, score=score, rank=rank)


@pytest.fixture(scope="module")
def abstention() -> Abstention:
    return Abstention(is_on=True, min_evidence=0.5, embedding="any")


def test_evidence_is_the_best_cosine_where_words_do_not_speak_for_more() -> None:
    assert evidence("Wie lange gilt die Garantie?", [hit(0.6)]) == 0.6
    assert evidence("How many months does the warranty last?", [hit(0.6)]) == pytest.approx(0.7 * 0.6 + 0.3)
    assert evidence("anything", []) == 0.0


def test_words_of_the_three_best_hits_count() -> None:
    hits = [hit(0.3, "one"), hit(0.3, "two"), hit(0.3, "three"), hit(0.3, "warranty months")]
    assert evidence("warranty months", hits) == 0.3
    assert evidence("warranty months", hits[1:]) == pytest.approx(0.51)


@pytest.mark.parametrize(
    "text", ["hello", "Hi there!", "thanks!", "Thank you", "How are you today?", "What can you do?", "你好", "", "?"]
)
def test_greetings_and_thanks_ask_for_no_facts(abstention: Abstention, text: str) -> None:
    assert not is_question_of_facts(text)
    assert abstention.refusal(text, [hit(0.01)]) is None


@pytest.mark.parametrize(
    "text", ["What is the capital of France?", "refund period", "保修期是多久?", "error E41 meaning"]
)
def test_questions_of_facts_are_refused_where_nothing_bears_on_them(abstention: Abstention, text: str) -> None:
    assert is_question_of_facts(text)
    assert abstention.refusal(text, [hit(0.01)]) == abstention.refusal(text, []) == abstention.text(text)
    assert abstention.refusal(text, [hit(0.5)]) is None


def test_nothing_is_refused_by_a_model_that_was_not_calibrated_or_when_switched_off() -> None:
    question = "What is the capital of France?"
    assert Abstention(is_on=True, min_evidence=None, embedding="other").refusal(question, []) is None
    assert Abstention(is_on=False, min_evidence=1.0, embedding="other").refusal(question, []) is None
    assert Abstention(is_on=True, min_evidence=None, embedding="all-MiniLM-L6-v2").refusal(question, [])


def test_the_calibrated_threshold_holds_within_a_language_and_a_given_one_everywhere() -> None:
    ours = Abstention(is_on=True, min_evidence=None, embedding="all-MiniLM-L6-v2")
    given = Abstention(is_on=True, min_evidence=0.3, embedding="all-MiniLM-L6-v2")
    english = hit(0.01, "The standard warranty lasts 26 months from the day of delivery.")
    german = hit(0.01, "Die Garantie gilt 26 Monate ab dem Tag der Lieferung.")
    for question in ("Wie heißt die Hauptstadt von Frankreich?", "法国的首都是哪里?"):
        assert ours.refusal(question, [english]) is None
        assert given.refusal(question, [english]) == ours.text(question)
    assert ours.refusal("Wie heißt die Hauptstadt von Frankreich?", [german]) == WORDS["de"]["text"]
    assert ours.refusal("capital of France", [german])  # of no language for certain


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What is the capital of France?", "en"),
        ("Wie hoch ist die Gebühr?", "de"),
        ("Quel est le prix ?", "fr"),
        ("¿Cuánto cuesta?", "es"),
        ("Come si chiama il papa?", "it"),
        ("Qual é a capital do Brasil?", "pt"),
        ("Hoeveel kost het?", "nl"),
        ("Ile to kosztuje?", "pl"),
        ("Hur mycket kostar det?", "sv"),
        ("Fiyatı ne kadar?", "tr"),
        ("Сколько это стоит?", "ru"),
        ("Скільки це коштує?", "uk"),
        ("法国的首都是哪里?", "zh"),
        ("フランスの首都はどこですか。", "ja"),
        ("프랑스의 수도는 어디입니까?", "ko"),
        ("ما هي عاصمة فرنسا؟", "ar"),
        ("फ़्रांस की राजधानी क्या है?", "hi"),
        ("refund policy", "en"),  # in doubt
        ("Hvor meget koster det?", "en"),  # Danish, which has no words here
        ("E41", "en"),
        ("???", "en"),
    ],
)
def test_it_is_said_in_the_language_of_the_question(abstention: Abstention, question: str, language: str) -> None:
    assert abstention.text(question) == WORDS[language]["text"]


@pytest.mark.parametrize("language", WORDS)
def test_the_services_own_words_are_known_for_what_they_are(abstention: Abstention, language: str) -> None:
    assert abstention.admits(WORDS[language]["text"])


@pytest.mark.parametrize(
    "text",
    [
        "The documents do not say.",
        "The passages don’t mention the price of the station.",
        "I do not know.",
        "This is not mentioned in the provided passages.",
        "Ich weiß es nicht.",
        "Los pasajes no mencionan el precio.",
        "文中没有提到价格。",
    ],
)
def test_a_model_admits_that_it_does_not_know(abstention: Abstention, text: str) -> None:
    assert abstention.admits(text)


@pytest.mark.parametrize(
    "text",
    [
        "The warranty does not cover water.",
        "Documents are stored for 26 months.",
        "Send no documents by mail.",
        "无需提供文件。",
    ],
)
def test_a_negative_answer_is_an_answer(abstention: Abstention, text: str) -> None:
    assert not abstention.admits(text)

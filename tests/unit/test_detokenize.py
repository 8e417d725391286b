"""Text that comes piece by piece is the text of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from rag.engine.detokenize import Detokenizer
from rag.models import embedding_folder
from rag.types import Delta

TEXTS = [
    "The tide is high.",
    "退款需要多久、十四天。",
    "🌊👩‍🔬🏳️‍🌈 and 🇩🇪",
    "e\u0301t\u00e9, a\u0308o\u0308u\u0308, \u0928\u092e\u0938\u094d\u0924\u0947",
    "  two spaces\n\n\tand a tab ",
    "a literal \N{REPLACEMENT CHARACTER} between",
]
BYTES = 256
N_IDS = 2000


@pytest.fixture(scope="module")
def byte_level(tiny_tokenizer_json: str) -> Tokenizer:
    return Tokenizer.from_str(tiny_tokenizer_json)


@pytest.fixture(scope="module")
def word_piece() -> Tokenizer:
    """The embedded embedding model's: its decoder joins words and moves spaces."""
    tokenizer = Tokenizer.from_file(str(embedding_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


@pytest.fixture(scope="module")
def byte_fallback() -> Tokenizer:
    """As in Llama 2 and Gemma: words with a mark for their space, and a token for each byte."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(BYTES)} | {
        "<unk>": 256,
        "▁high": 257,
        "▁tide": 258,
        "s": 259,
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    strip = decoders.Strip(content=" ", left=1, right=0)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    return tokenizer


def streamed(tokenizer: Tokenizer, ids: list[int], prompt: tuple[int, ...] = ()) -> str:
    detokenizer = Detokenizer(tokenizer, prompt)
    return "".join(detokenizer.feed((token_id,)) for token_id in ids)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("before", ["", "<|im_start|>assistant\n", "Seen: 潮汐"])
def test_a_text_comes_back_to_the_character(byte_level: Tokenizer, text: str, before: str) -> None:
    prompt = tuple(byte_level.encode(before).ids)
    assert streamed(byte_level, byte_level.encode(text).ids, prompt) == text


@pytest.mark.parametrize("text", TEXTS)
def test_no_piece_ends_within_a_character(byte_level: Tokenizer, text: str) -> None:
    detokenizer = Detokenizer(byte_level, ())
    pieces = [detokenizer.feed((token_id,)) for token_id in byte_level.encode(text).ids]
    assert all("\N{REPLACEMENT CHARACTER}" not in piece or piece in text for piece in pieces)


@given(ids=st.lists(st.integers(0, N_IDS - 1), max_size=60), prompt=st.lists(st.integers(0, N_IDS - 1), max_size=12))
def test_any_ids_come_as_the_whole_of_them_reads_but_for_half_a_character_at_the_end(
    byte_level: Tokenizer, ids: list[int], prompt: list[int]
) -> None:
    whole, text = byte_level.decode(ids, skip_special_tokens=True), streamed(byte_level, ids)
    half = "\N{REPLACEMENT CHARACTER}"
    assert whole.startswith(text)
    assert whole.removeprefix(text).strip(half) == ""
    # A prompt that ends with a whole character changes nothing; the text of one that does not is not given away.
    if not byte_level.decode(prompt).endswith(half):
        assert streamed(byte_level, ids, tuple(prompt)) == text


@given(st.data())
def test_how_ids_are_cut_into_pieces_changes_nothing(byte_level: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, N_IDS - 1), max_size=40))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=5)))
    detokenizer = Detokenizer(byte_level, ())
    spans = zip([0, *cuts], [*cuts, len(ids)], strict=True)
    assert "".join(detokenizer.feed(tuple(ids[start:end])) for start, end in spans) == streamed(byte_level, ids)


@given(ids=st.lists(st.integers(0, N_IDS - 1), max_size=40), prompt=st.lists(st.integers(0, N_IDS - 1), max_size=40))
def test_the_end_of_a_prompt_serves_as_well_as_all_of_it(
    byte_level: Tokenizer, word_piece: Tokenizer, ids: list[int], prompt: list[int]
) -> None:
    for tokenizer in (byte_level, word_piece):
        if not tokenizer.decode(prompt).endswith("\N{REPLACEMENT CHARACTER}"):
            stream = decoders.DecodeStream(ids=prompt, skip_special_tokens=True)  # as vLLM does
            whole = "".join(stream.step(tokenizer, token_id) or "" for token_id in ids)
            assert streamed(tokenizer, ids, tuple(prompt)) == whole


@given(ids=st.lists(st.integers(0, 259), max_size=60))
def test_bytes_that_make_no_characters_lose_text_and_nothing_else(byte_fallback: Tokenizer, ids: list[int]) -> None:
    text = streamed(byte_fallback, [*ids, 258, 257, 259])
    assert text.endswith("highs")


@given(ids=st.lists(st.integers(0, 30521), max_size=60))
def test_a_decoder_that_takes_spaces_back_is_survived(word_piece: Tokenizer, ids: list[int]) -> None:
    streamed(word_piece, ids)


def test_the_space_of_a_first_word_depends_on_the_prompt(byte_fallback: Tokenizer) -> None:
    assert streamed(byte_fallback, [258, 257]) == "tide high"
    assert streamed(byte_fallback, [258, 257], (257, 259)) == " tide high"


@pytest.mark.parametrize("stray", [N_IDS, 2**32 - 1, 2**32, 2**70, -1])
def test_ids_that_no_vocabulary_has_are_no_text(byte_level: Tokenizer, stray: int) -> None:
    ids = byte_level.encode("The tide").ids
    assert streamed(byte_level, [ids[0], stray, *ids[1:]], (stray,)) == "The tide"


def test_control_tokens_are_no_text_and_the_last_token_before_a_stop_neither(byte_level: Tokenizer) -> None:
    ids = tuple(byte_level.encode("The tide<|im_end|>").ids)
    word = byte_level.encode(" tide").ids[-1]
    detokenizer = Detokenizer(byte_level, ())
    assert detokenizer.spoken(Delta(token_ids=ids)).text == "The tide"
    assert Detokenizer(byte_level, (), special_tokens=True).feed(ids) == "The tide<|im_end|>"
    assert detokenizer.spoken(Delta(token_ids=(word,), finish_reason="stop")).text == ""
    assert detokenizer.spoken(Delta(token_ids=(word,), finish_reason="length")).text
    assert detokenizer.spoken(Delta(finish_reason="stop")).text == ""

"""What the batcher owes its callers when the encoder fails."""

import asyncio
from collections.abc import Sequence

from rag.embed import Batcher, FakeEncoder
from rag.embed.base import Vectors


class Picky(FakeEncoder):
    """Refuses one text as a real tokenizer refuses half of a surrogate pair: with an error of its own."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        if "bad" in texts:
            raise TypeError("TextInputSequence must be str")
        return super().encode_documents(texts)


def test_a_failure_reaches_its_callers_and_the_next_text_is_encoded() -> None:
    async def run() -> tuple[object, Vectors]:
        batcher = Batcher(Picky(), batch_tokens=64, max_queue=4)
        async with asyncio.timeout(5):
            failed = (await asyncio.gather(batcher.documents(["bad"]), return_exceptions=True))[0]
            vectors = await batcher.documents(["good"])
        await batcher.close()
        return failed, vectors

    failed, vectors = asyncio.run(run())
    assert isinstance(failed, TypeError)
    assert len(vectors) == 1

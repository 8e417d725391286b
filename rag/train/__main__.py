"""`python -m rag.train`: samples, then the adapter. docs/embedded-model.md shows how they are called."""

import math
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from rag.errors import RagError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Data = Annotated[Path, typer.Argument(help="Folder that holds squad, xquad, clapnq, mtrag, pubmedqa and wiki2hop.")]
Work = Annotated[Path, typer.Argument(help="Folder for what is made.")]


@app.command()
def samples(data: Data, work: Work, *, seed: int = 1) -> None:
    """Make the training samples and the prompts that calibrate: minutes on one core."""
    from rag.models import chat_model_source
    from rag.renderer import make_renderer
    from rag.settings import PromptSettings
    from rag.train.mix import measured, training
    from rag.train.packed import pack, write_packed
    from rag.train.samples import Sample, Samples
    from rag.train.sets import TUNE, read_library

    model = chat_model_source("SmolLM2-135M-Instruct-bare", work)
    library = read_library(data)
    maker = Samples(library, {n: make_renderer(model, work, PromptSettings(pointed_out=n)) for n in (0, 1, 3)})

    def write(name: str, made: Iterable[Sample]) -> None:
        packed = pack(made)
        write_packed(packed, work / f"{name}.xz")
        typer.echo(f"{name}: {len(packed)} samples, {packed.starts[-1]} tokens")

    every = list(training(library.cases, maker, seed=seed))
    random.Random(seed).shuffle(every)  # noqa: S311 - not for secrets
    write("train", every)
    write("tune", measured(library.cases, maker, group=TUNE, n=196, seed=seed, pointed_out=3))


@app.command()
def adapter(
    work: Work,
    *,
    epochs: float = 1.5,
    minutes: Annotated[float, typer.Option(help="The run is over by then.")] = math.inf,
    bias: Annotated[float, typer.Option(help="Added to the score of saying that nothing answers.")] = -1.0,
    seed: int = 1,
) -> None:
    """Learn the adapter from the samples in WORK: adapter.safetensors."""
    from safetensors.torch import save_file

    from rag.models import chat_model_source
    from rag.train.calibrate import bias_row
    from rag.train.learn import Options, change, learn
    from rag.train.packed import read_packed
    from rag.train.samples import NO_ANSWER_TOKEN

    base = Path(chat_model_source("SmolLM2-135M-Instruct-bare", work))
    options = Options(epochs=epochs, seconds=minutes * 60, seed=seed)
    model = learn(base, read_packed(work / "train.xz"), options, typer.echo)
    tensors = change(model)
    row = bias_row(model, read_packed(work / "tune.xz"), bias)
    save_file({**tensors, f"model.embed_tokens.weight[{NO_ANSWER_TOKEN}]": row}, work / "adapter.safetensors")
    typer.echo(f"{work / 'adapter.safetensors'}")


@app.command("held-out")
def held_out(data: Data, work: Work) -> None:
    """Write the folders WORK/answered and WORK/removed for `rag eval`."""
    from rag.train.held_out import write_held_out

    write_held_out(data / "squad", work)


def main() -> int:
    """The exit status."""
    try:
        app(prog_name="python -m rag.train", standalone_mode=False)
    except RagError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

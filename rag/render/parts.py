"""The words of the prompt, from the templates in `prompts/`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from rag.types import Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The texts that a prompt is made of. `layout` names their version."""

    layout: str
    system: str
    example_question: str
    example_answer: str
    templates: Mapping[str, Template]

    def label(self, number: int) -> str:
        """What stands before a passage and what the model cites it by."""
        return self.templates["label.j2"].render(number=number)

    def passage(self, chunk: Chunk) -> str:
        """A chunk as the model reads it, without its label: the same text wherever the chunk is shown."""
        heading = chunk.anchor.heading or chunk.title
        return self.templates["passage.j2"].render(document=chunk.document, heading=heading, text=chunk.text)

    def application(self, text: str) -> str:
        """The client's own system message. It stands behind the shared prefix, or nobody could share that."""
        return self.templates["application.j2"].render(text=text)

    def pointers(self, sentences: Sequence[tuple[int, str]]) -> str:
        """Sentences of the passages, each with its passage's number, as they stand behind the question."""
        return self.templates["pointers.j2"].render(sentences=sentences)

    def results(self, text: str) -> str:
        """What tools gave, as it stands behind the passages."""
        return self.templates["results.j2"].render(text=text)

    def tools(self, style: str, definitions: Sequence[str]) -> str:
        """The tools that there are and how to call them, in the words of a family of models."""
        return self.templates[f"tools_{style}.j2"].render(tools=definitions)

    def question(self, question: str) -> str:
        """The question as it stands behind the passages."""
        return self.templates["question.j2"].render(question=question)


def load_parts() -> Parts:
    """The texts of the packaged templates."""
    folder = files("prompts")
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    # No HTML is made here, so nothing is escaped; block marks leave no lines of their own.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    templates = {name: environment.from_string((folder / name).read_text("utf-8")) for name in manifest["slots"]}
    return Parts(
        layout=manifest["layout"],
        system=templates["system.j2"].render(),
        example_question=templates["example_question.j2"].render(),
        example_answer=templates["example_answer.j2"].render(),
        templates=templates,
    )

"""From a plan to token ids. Pure: the same plan gives the same ids on every machine."""

from rag.render.parts import Parts, load_parts
from rag.render.prompt import Renderer
from rag.render.spoken import spoken
from rag.render.template import ChatTemplate
from rag.render.tokenizer import ChatTokenizer

__all__ = ["ChatTemplate", "ChatTokenizer", "Parts", "Renderer", "load_parts", "spoken"]

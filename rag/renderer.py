"""From the name of a chat model to the renderer of its prompts, and to how its tokens are picked."""

from pathlib import Path

from rag.models import chat_model_source, load_chat_format, recommended_sampling
from rag.render import ChatTemplate, ChatTokenizer, Renderer, load_parts
from rag.settings import PromptSettings
from rag.types import Sampling


def make_renderer(model: str, data_dir: Path, prompt: PromptSettings) -> Renderer:
    """The renderer for a chat model: its tokenizer and template with our words."""
    chat_format = load_chat_format(chat_model_source(model, data_dir))
    tokenizer = ChatTokenizer(chat_format.tokenizer_json)
    template = ChatTemplate(tokenizer, chat_format.apply_template)
    return Renderer(tokenizer, template, load_parts(), n_pointed_out=prompt.pointed_out)


def default_sampling(model: str, data_dir: Path) -> Sampling:
    """What the author of a chat model recommends where a request is silent."""
    return recommended_sampling(chat_model_source(model, data_dir))

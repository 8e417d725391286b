"""Where weights and tokenizers come from: a folder, a Hugging Face name, or a package that carries them."""

from rag.models.chat import ChatFormat, load_chat_format
from rag.models.embedded import describe_chat_model, embedding_folder, unpack_chat_model
from rag.models.locate import chat_model_source, embedding_source
from rag.models.sampling import recommended_sampling

__all__ = [
    "ChatFormat",
    "chat_model_source",
    "describe_chat_model",
    "embedding_folder",
    "embedding_source",
    "load_chat_format",
    "recommended_sampling",
    "unpack_chat_model",
]

"""When there is no answer, and how that is said."""

from rag.abstain.abstention import Abstention
from rag.abstain.evidence import evidence, is_question_of_facts
from rag.abstain.reply import marked, refused

__all__ = ["Abstention", "evidence", "is_question_of_facts", "marked", "refused"]

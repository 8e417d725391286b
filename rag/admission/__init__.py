"""Which requests are taken, in which order, and which are told at once to come back later."""

from rag.admission.gate import Gate, Place
from rag.admission.queue import Claim, Need

__all__ = ["Claim", "Gate", "Need", "Place"]

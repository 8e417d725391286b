"""Answers made of nothing but sentences of the documents. Pure."""

from rag.quotes.offer import Offer, Quotable, offer
from rag.quotes.reader import QuoteReader
from rag.quotes.stream import QuoteStream

__all__ = ["Offer", "Quotable", "QuoteReader", "QuoteStream", "offer"]

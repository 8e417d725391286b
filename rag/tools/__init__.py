"""Tool calls in what a model writes. Pure: the same text gives the same calls, in whatever pieces it comes."""

from rag.tools.parser import CallParser
from rag.tools.schema import calls_schema
from rag.tools.styles import STYLES, Style

__all__ = ["STYLES", "CallParser", "Style", "calls_schema"]

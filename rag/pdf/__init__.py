"""Pages of PDFs as pictures, rendered in a process of their own."""

from rag.pdf.pages import Page, PageRenderer, Unrendered

__all__ = ["Page", "PageRenderer", "Unrendered"]

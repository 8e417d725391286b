"""`rag bench reuse`: what different ways to lay out the same retrieved passages cost at the first token."""

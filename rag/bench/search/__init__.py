"""`rag bench search`: what is found by meaning, by words and by both, and what it costs."""

"""`rag bench citations`: are statements aligned with what says them, and only with that."""

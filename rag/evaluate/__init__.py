"""How good a running service's answers are on questions whose answers are known. Speaks HTTP, as any client does."""

"""From files to a searchable collection."""

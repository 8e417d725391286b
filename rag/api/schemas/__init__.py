"""Bodies of requests, checked to the field."""

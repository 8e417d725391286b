"""Training of the adapter that the embedded chat model is shipped with. Nothing of it runs in the service."""

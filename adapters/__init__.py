"""Changes to the weights of embedded models, and their manifest. No code."""

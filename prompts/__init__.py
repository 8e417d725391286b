"""The words of the prompt: templates and their manifest. No code."""

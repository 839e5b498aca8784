"""Generated documents with planted answers: how often `context.select` keeps the answer, and for how many tokens."""

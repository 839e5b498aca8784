"""The prompt pruner on prompts of which it is known what they need."""

"""The governor against the simulator's rate limits. Start at `__main__.py`."""

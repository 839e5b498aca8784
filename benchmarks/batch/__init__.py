"""The batch runner: how fast, how large, how cheap, and what survives."""

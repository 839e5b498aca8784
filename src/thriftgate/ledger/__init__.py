"""What happened: immutable entries that sum to zero, and holds that each resolve once. May import: core.

Start reading at `entries.py` (the values), then `sqlite.py` (one writer, group commit), then `queries.py`.
"""

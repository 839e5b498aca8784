"""Our books against the provider's own bill: what differs, and why.

Start reading at `books.py` (both sides as rows), then `match.py` (which causes are tried, in which order).
"""

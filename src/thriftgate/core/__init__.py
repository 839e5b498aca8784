"""What is true: frozen values and pure functions.

May import: the standard library without I/O, clock, randomness or async; msgspec. Nothing else of thriftgate.
Start reading at `request.py` (the lossless document), then `plan.py`, then `planner.py`.
"""

"""An earlier answer instead of a new call: whose it may be, what makes two calls the same, what is never reused.

Not to be confused with `core/reuse.py`, which counts how often prefixes come back.
"""

"""Texts as vectors, by models that run on this machine. None is needed: `core/semantic/lexical.py` does without.

May import: core.
"""

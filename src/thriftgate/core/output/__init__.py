"""Shorter answers: what a task may ask of its answers, and how that is said to the model at hand.

May import: core only.
"""

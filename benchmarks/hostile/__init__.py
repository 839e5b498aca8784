"""Hostile and odd inputs: whether the time that each takes grows with its length, and no faster."""

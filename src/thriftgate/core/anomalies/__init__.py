"""Anomalies: what a key, a task, a model or the whole installation spends otherwise than it used to (`watch.py` begins)."""

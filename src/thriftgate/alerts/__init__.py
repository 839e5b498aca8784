"""Alerts: what is watched, and through what people are told. `watch.py` begins; what is decided is in `core/alerting`, what
is kept in `ledger/alerts.py`.

May import: engine and below, and batch for the signature of webhooks.
"""

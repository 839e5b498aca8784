"""Do one call: snapshot → plan → hold → send → meter → settle. May import: settings, providers, ledger, wire, core.

Start reading at `engine.py`; `build.py` is the one composition root.
"""

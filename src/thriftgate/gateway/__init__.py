"""Serve now: the ASGI app in front of the engine. May import: engine and below.

Start reading at `app.py`.
"""

"""What replicas know of each other while calls run: by a Redis or Valkey server that all of them reach.

`connection.py` speaks the protocol, `lane.py` sends what was gathered in one script call, `counts.py`, `writes.py` and
`news.py` say what is shared. The engine names what it wants in protocols of its own.

May import: core, clock, logs.
"""

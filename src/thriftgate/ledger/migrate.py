"""Schema versions: numbered SQL files, applied once each, in one transaction each.

Plain SQL rather than a migration framework. A step only adds to what is there, so that processes of the version before go
on working beside those of the next one (docs/adr/0034).
"""

from __future__ import annotations

from importlib.resources import files


def migrations() -> list[tuple[int, str]]:
    """All schema steps as (version, SQL), in order."""
    folder = files("thriftgate.ledger") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name.partition("_")[0]), (folder / name).read_text("utf-8")) for name in names]

"""Style sheet and script, from the package: named after what they hold, so that browsers may keep them for ever."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
_FOREVER = b"public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file as it is served."""

    content: bytes
    headers: tuple[tuple[bytes, bytes], ...]


@cache
def assets() -> dict[str, Asset]:
    """By the name that pages ask for: `dashboard.0123456789ab.css`."""
    found = {}
    for file in sorted(files("thriftgate.dashboard").joinpath("static").iterdir(), key=lambda file: file.name):
        stem, _, kind = file.name.rpartition(".")
        if kind in TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            head = (b"content-type", TYPES[kind]), (b"cache-control", _FOREVER), (b"x-content-type-options", b"nosniff")
            found[f"{stem}.{digest}.{kind}"] = Asset(content, head)
    return found


def asset_named(file: str) -> str:
    """The name under which a file is served."""
    stem, _, kind = file.rpartition(".")
    return next(name for name in assets() if name.startswith(f"{stem}.") and name.endswith(f".{kind}"))

"""The scripts that the server runs. Each is one file; its digest is what it is called by."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """`sha` is the name that the server gives it: the SHA-1 of its text, in hexadecimal."""

    name: str
    text: bytes
    sha: bytes


@cache
def script(name: str) -> Script:
    """The one of that name."""
    text = (files("thriftgate.shared") / f"{name}.lua").read_bytes()
    return Script(name, text, sha1(text, usedforsecurity=False).hexdigest().encode())

"""Stored exchanges: a prompt and what the arms answered, where the settings name a file for them. One JSON line each, in the
form that `thriftgate eval` reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from thriftgate.logs import log

FILE_MODE = 0o600  # prompts: for the owner's eyes


class Exchange(Struct, frozen=True):
    """One prompt, as the client sent it, with the text that each arm answered. `at` is an ISO time, UTC."""

    id: str
    task: str
    request: Raw
    answers: Mapping[str, str]
    at: str


def exchange(name: str, task: str, body: bytes, answers: Mapping[str, str], at_s: float) -> Exchange:
    """`at_s` in unix seconds."""
    line = Raw(msgspec.json.format(body, indent=-1))  # clients may write theirs on many lines
    return Exchange(name, task, line, answers, datetime.fromtimestamp(at_s, UTC).isoformat())


def append_exchange(path: str, one: Exchange) -> None:
    """Add it at the end of the file, which is made where it is missing. A file that cannot be written is told in the log."""
    try:
        file = Path(path)
        if not file.exists():
            file.touch(mode=FILE_MODE)
        with file.open("ab") as out:
            out.write(msgspec.json.encode(one) + b"\n")
    except OSError as error:
        log.error("exchange not stored", file=path, error=error.strerror)

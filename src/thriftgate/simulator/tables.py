"""Tables of named settings, as files and control requests carry them: which names there are, and what a wrong one meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any


def settings_table(raw: object, known: Collection[str], where: str) -> dict[str, Any]:
    """`raw` if it is a table of known names. ValueError says what else it is, or names the unknown key and the nearest."""
    if not isinstance(raw, dict):
        raise ValueError(f"{where}: expected a table of names, found {type(raw).__name__}")  # noqa: TRY004  one kind
    for name in raw:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
            raise ValueError(f"{where}: unknown key {name!r}{hint}")
    return raw

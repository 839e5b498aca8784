"""Do something with the rights of nobody in particular: the administrator may do everything, and would test nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """The folder, and what it is in, can be entered and read meanwhile, but for what is closed in it."""
    if os.geteuid():
        yield
        return
    opened = [(path, path.stat().st_mode) for path in (folder, *folder.parents) if not path.stat().st_mode & 0o005]
    for path, mode in opened:
        path.chmod(mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in opened:
            path.chmod(mode)

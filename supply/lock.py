"""`requirements.lock` as data: each package with its version, where it is for, and the hashes that it may have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+?))?\s*\\?")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})\s*\\?")


class Unlocked(ValueError):
    """A line of the lock pins nothing, or not by hash."""


class Locked(NamedTuple):
    """One package of the lock. `marker` says which environments it is for, "" for all. `lines` is how the lock spells it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def is_here(self) -> bool:
        """Whether it is for this Python on this machine."""
        return not self.marker or Marker(self.marker).evaluate()


def read_lock(path: Path = LOCK) -> list[Locked]:
    """The packages, in their order. Raises Unlocked for a line that is no pin and no hash: an address, an option, a package
    without a hash."""
    found: list[Locked] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        entry, digest = _ENTRY.fullmatch(text), _HASH.fullmatch(text)
        if entry is not None:
            name = canonicalize_name(entry["name"])
            found.append(Locked(name, entry["version"], entry["marker"] or "", (), (line,)))
        elif digest is not None and found:
            last = found.pop()
            found.append(last._replace(hashes=(*last.hashes, digest["digest"]), lines=(*last.lines, line)))
        else:
            raise Unlocked(f"{path.name}:{number}: neither a pinned package nor a hash: {text[:60]!r}")
    bare = [one.name for one in found if not one.hashes]
    if bare:
        raise Unlocked(f"{path.name}: without a hash: {', '.join(bare)}")
    return found

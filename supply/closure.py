"""Which packages of the lock are shipped: those that thriftgate needs, those that its extras need, those for development."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from supply.lock import ROOT, Locked

Need = Literal["required", "optional", "excluded"]
"""CycloneDX's words: always there, there with an extra (or on another platform), for development only."""


def direct() -> set[str]:
    """What thriftgate itself names, without extras."""
    return {canonicalize_name(Requirement(text).name) for text in _project()["dependencies"]}


def needs(locked: Iterable[Locked]) -> dict[str, Need]:
    """Why each package is in the lock. What is not installed here, being for another Python or platform, cannot be asked
    what it needs; such a package counts as optional."""
    project = _project()
    always = _reached(project["dependencies"])
    extras = _reached(one for extra in project["optional-dependencies"].values() for one in extra)
    found: dict[str, Need] = {}
    for one in locked:
        if one.name in always:
            found[one.name] = "required"
        else:
            found[one.name] = "optional" if one.name in extras or requirements(one.name) is None else "excluded"
    return found


def requirements(name: str, extras: Iterable[str] = ()) -> list[Requirement] | None:
    """What an installed package needs, on any platform, with these extras of its own; None where it is not installed."""
    try:
        told = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return None
    wanted = ("", *extras)
    return [
        one
        for one in map(Requirement, told)
        if one.marker is None or "extra" not in str(one.marker) or any(one.marker.evaluate({"extra": it}) for it in wanted)
    ]


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def _reached(texts: Iterable[str]) -> set[str]:
    waiting = [Requirement(text) for text in texts]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key not in seen:
            seen.add(key)
            waiting += requirements(*key) or []
    return {name for name, _ in seen}

"""Model names: what a client asks for, and the list it gets (openai-python v3.54 `types/model.py`)."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from thriftgate.core.control.labels import fits
from thriftgate.core.errors import ModelNotFound
from thriftgate.core.models import Capabilities

_PATTERN = frozenset("*?[")


def claude_model(asked: str, aliases: Mapping[str, str], is_known: Callable[[str], bool]) -> str:
    """The Claude model that serves the one a client names: by its own name, or by `openai.models`, whose keys may be
    patterns such as `gpt-*`. Raises ModelNotFound, which says how to map it."""
    found = aliases.get(asked)
    if found is None:
        found = next((model for pattern, model in aliases.items() if fits((pattern,), asked)), asked)
    if not is_known(found):
        name = asked[:100]
        if found != asked:
            raise ModelNotFound(f"the settings map the model {name!r} to {found!r}, which is none of Claude's")
        raise ModelNotFound(
            f"there is no model {name!r} here. Ask for a Claude model (GET /v1/models lists them), or let whoever runs this "
            f'gateway map the name in its settings: [openai.models] "{name}" = "claude-…"'
        )
    return found


def model_list(rows: Iterable[Capabilities], aliases: Mapping[str, str], day: int) -> list[dict[str, Any]]:
    """The models that can be asked for on that day, the newest first, and the names that are mapped to them."""
    known = {row.id: row for row in rows if not row.is_retired(day)}
    listed = [_model(row.id, row.launched, row.retired, "anthropic") for row in known.values()]
    listed.sort(key=lambda one: -int(one["created"]))
    for row in known.values():
        listed += [_model(alias, row.launched, row.retired, "anthropic") for alias in row.aliases]
    for alias in aliases:
        if _PATTERN.isdisjoint(alias) and all(one["id"] != alias for one in listed):
            served = known.get(aliases[alias])
            launched, retired = (served.launched, served.retired) if served is not None else ("", "")
            listed.append(_model(alias, launched, retired, "thriftgate"))
    return listed


def _model(name: str, launched: str, retired: str, owner: str) -> dict[str, Any]:
    made: dict[str, Any] = {"id": name, "object": "model", "created": _seconds(launched), "owned_by": owner}
    if retired:
        made["shutdown_date"] = retired
    return made


def _seconds(day: str) -> int:
    """Unix seconds of a day or month; 0 where none is known."""
    if not day:
        return 0
    year, month, date = (*map(int, day.split("-")), 1)[:3]
    return timegm((year, month, date, 0, 0, 0))

"""What Bedrock calls Claude's models, and which of its names are priced by region.

Models up to 4.6 have ids with dates and versions, later ones are `anthropic.` and their name. A prefix chooses where an
inference profile may run: `global.` anywhere, at list price; `us.`, `eu.`, `jp.`, `apac.`, `au.` and the like, and no
prefix at all, in a geography or a region, at 1.1 times that for models from 4.5 on. Sources:
platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy, 2026-10, and about-claude/pricing, 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.errors import ConfigError

GLOBAL = "global"
_DATE = re.compile(r"-\d{8}$")
_PROFILE = re.compile(
    r"(?:arn:aws[a-z-]*:bedrock:[^/]+/)?(?:([a-z-]{2,8})[.])?anthropic[.](claude-[a-z0-9-]+?)(?:-v\d+)?(?::\d+)?(?::\w+)?$"
)


class Row(Struct, frozen=True):
    """`base` is the id without a prefix; `everywhere`: it has a global profile; `surcharge`: it costs more in a region."""

    base: str
    everywhere: bool = True
    surcharge: bool = True


_OLD = {"everywhere": False, "surcharge": False}
_ROWS = {
    "claude-opus-4-6": Row("anthropic.claude-opus-4-6-v1"),
    "claude-sonnet-4-6": Row("anthropic.claude-sonnet-4-6"),
    "claude-opus-4-5-20251101": Row("anthropic.claude-opus-4-5-20251101-v1:0"),
    "claude-sonnet-4-5-20250929": Row("anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "claude-haiku-4-5-20251001": Row("anthropic.claude-haiku-4-5-20251001-v1:0"),
    "claude-opus-4-1-20250805": Row("anthropic.claude-opus-4-1-20250805-v1:0", **_OLD),
    "claude-opus-4-20250514": Row("anthropic.claude-opus-4-20250514-v1:0", **_OLD),
    "claude-sonnet-4-20250514": Row("anthropic.claude-sonnet-4-20250514-v1:0", surcharge=False),
    "claude-3-7-sonnet-20250219": Row("anthropic.claude-3-7-sonnet-20250219-v1:0", **_OLD),
    "claude-3-5-haiku-20241022": Row("anthropic.claude-3-5-haiku-20241022-v1:0", **_OLD),
    "claude-3-haiku-20240307": Row("anthropic.claude-3-haiku-20240307-v1:0", **_OLD),
}
_ALIASES = {
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
}
_AREAS = {"us": "us", "ca": "us", "mx": "us", "sa": "us", "eu": "eu", "ap": "apac"}


def row_of(model: str) -> Row | None:
    """The row of a model by Anthropic's name for it; None for what is no model of Claude's, or not at Bedrock."""
    known = _ROWS.get(_ALIASES.get(model, model))
    if known is not None:
        return known
    old = model.startswith(("claude-3", "claude-2", "claude-instant"))
    return Row(f"anthropic.{model}") if model.startswith("claude-") and not old else None


def plain_id(model: str) -> str:
    """What the Messages endpoint calls a model: its name without a date; "" for one that only the older endpoint has
    (platform.claude.com/docs/en/build-with-claude/claude-in-amazon-bedrock, 2026-10: Haiku 4.5, Opus 4.7 and later)."""
    name = _DATE.sub("", _ALIASES.get(model, model))
    listed = _ALIASES.get(model, model) in _ROWS and name != "claude-haiku-4-5"
    return "" if listed or row_of(model) is None else f"anthropic.{name}"


def area_of(region: str) -> str:
    """The prefix of the geography that a region lies in."""
    return _AREAS.get(region[:2], "us")


def prefix_in(identifier: str) -> str | None:
    """The prefix of an id or of the ARN of a profile, "" for one without; None where it does not say what it is."""
    found = _PROFILE.fullmatch(identifier)
    return None if found is None else found[1] or ""


class Named(NamedTuple):
    """What the ids that a row names have in common: whether they cost more by their region, and their prefix,
    where one says it."""

    dearer: bool
    prefix: str | None


def named_alike(models: Mapping[str, str]) -> Named | None:
    """None where no id is named. Raises ConfigError for ids of two prices."""
    if not models:
        return None
    dearer = {is_dearer(name) for name in models.values()}
    if len(dearer) > 1:
        raise ConfigError(
            "upstream.models: some of these cost more by their region and some do not; give them a target each, as each has "
            "prices of its own"
        )
    (one,) = dearer
    prefixes = [prefix for name in models.values() if (prefix := prefix_in(name)) is not None]
    return Named(one, (prefixes[0] if prefixes else None) if one else GLOBAL)


def is_dearer(identifier: str) -> bool:
    """Whether a model costs more under this name than by the list. What does not say where it runs is taken to."""
    found = _PROFILE.fullmatch(identifier)
    if found is None:
        return True
    base = f"anthropic.{found[2]}"
    old = any(not row.surcharge and row.base.startswith(base) for row in _ROWS.values())
    return found[1] != GLOBAL and not old

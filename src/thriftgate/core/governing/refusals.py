"""What a refusal of the provider means for the calls behind it.

    rate       a bucket is empty for now: 429, with `retry-after`
    surge      too many more than a moment ago (429), or a limit that is not named: go on slowly
    overload   the provider itself has too much to do: 529
    spend      the money of the month is spent: 429 without a time, or a 400; nothing helps before the first of the next
               month, or a higher limit

Rules: platform.claude.com/docs/en/api/rate-limits and /api/errors, 2026-10.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from msgspec import Struct

from thriftgate.core.governing.told import INPUT, OUTPUT, REQUESTS

Kind = Literal["rate", "surge", "overload", "spend", ""]
TIER_CAP = "enforced_spend_limit_reached"
WORKSPACE_SPENT = "You have reached your specified workspace API usage limits"
ORGANISATION_SPENT = "You have reached your specified API usage limits"
_FAMILY = re.compile(r"\b(input tokens|output tokens|requests)\b", re.IGNORECASE)
_SURGE = re.compile(r"increase|acceleration", re.IGNORECASE)
_FAMILIES = {"requests": REQUESTS, "input tokens": INPUT, "output tokens": OUTPUT}


class Refusal(Struct, frozen=True):
    """`family` is the limit that was in the way, where it is named; `shared`: it is the organisation's, not only the
    workspace's."""

    kind: Kind = ""
    family: int | None = None
    shared: bool = True


class _Details(Struct):
    error_code: str | None = None


class ProviderError(Struct):
    """What a provider says is wrong."""

    type: str = ""
    message: str = ""
    details: _Details | None = None


class _ErrorBody(Struct):
    error: ProviderError = msgspec.field(default_factory=ProviderError)


def refusal_of(status: int, body: bytes) -> Refusal:
    """What an answer that is no success says of limits; of kind "" where it says nothing of them."""
    if status not in (400, 429):
        return Refusal("overload" if status == 529 else "")
    error = error_in(body)
    if status == 400:
        shared = error.message.startswith(ORGANISATION_SPENT)
        return Refusal("spend", shared=shared) if shared or error.message.startswith(WORKSPACE_SPENT) else Refusal()
    named = _FAMILY.search(error.message)
    if _is_tier_cap(error):
        return Refusal("spend")
    if named is None or _SURGE.search(error.message):
        return Refusal("surge")
    return Refusal("rate", _FAMILIES[named[1].lower()])


def is_spend_limit(body: bytes) -> bool:
    """Whether a 429 says that the tier's monthly spend cap is reached: not worth another try."""
    return _is_tier_cap(error_in(body))


def _is_tier_cap(error: ProviderError) -> bool:
    return error.details is not None and error.details.error_code == TIER_CAP


def error_in(body: bytes) -> ProviderError:
    """The error in an answer; an empty one where it holds none that can be read."""
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ProviderError()

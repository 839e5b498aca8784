"""A message as it is given again: byte for byte what it was, but for its usage, which tells what this call has used.

That is nothing. Who adds up `usage` adds up what is billed; the tokens of the answer were billed with the call that it was
made for (platform.claude.com/docs/en/api/messages, 2026-08: "usage" is "billing and rate-limit usage").
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from thriftgate.core.splice import Edit, apply


class _Used(msgspec.Struct):
    usage: Raw


def used_by(message: bytes) -> bytes:
    """The usage that the message tells, on one line. Raises msgspec's errors for what is no message."""
    return msgspec.json.format(msgspec.json.decode(message, type=_Used).usage, indent=-1)


def as_given_again(message: bytes) -> bytes:
    """Raises msgspec's errors, and InputError, for what is no message."""
    usage = msgspec.json.decode(used_by(message), type=dict[str, Any])
    return apply(message, [Edit(("usage",), msgspec.json.encode(_nothing_of(usage)))])


def _nothing_of(value: Any) -> Any:
    """The same shape with nothing used; words, such as the tier that served, stay."""
    if isinstance(value, dict):
        return {name: _nothing_of(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return []
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value

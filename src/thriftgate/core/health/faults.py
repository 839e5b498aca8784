"""What the failure of a call says of the target it was sent to.

    spend        the money of the month is spent, or a limit of the account's own is reached
    balance      there is no money on the account
    auth         the credentials are not good, or not for this
    model        there is no such model there
    rate         a rate limit is in the way
    overload     the provider has too much to do, or fails
    unreachable  nobody could be reached
    slow         no answer came in time, or it broke off before it began

Whatever else is wrong (a 400, a 413) is the request's own fault: it would be wrong elsewhere, too. Rules:
platform.claude.com/docs/en/api/errors and /api/rate-limits, 2026-10; what other providers say instead is translated by them.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from msgspec import Struct

from thriftgate.core.errors import BrokenReply, Crowded, SpendCapped, Unreachable, UpstreamError, UpstreamTimeout
from thriftgate.core.governing.refusals import error_in, refusal_of

Kind = Literal["spend", "balance", "auth", "model", "rate", "overload", "unreachable", "slow"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BALANCE = re.compile(r"credit balance is too low|insufficient (?:quota|balance|credits?)", re.IGNORECASE)
_BY_STATUS: dict[int, Kind] = {
    401: "auth",
    403: "auth",
    404: "model",
    429: "rate",
    **dict.fromkeys((500, 502, 503, 504, 529), "overload"),
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Fault(Struct, frozen=True):
    """`shared`: it holds for all targets of the same limits. `retry_after_s` is when the provider says that it is worth
    trying again, 0 where it does not."""

    kind: Kind
    shared: bool = False
    retry_after_s: float = 0.0

    @property
    def at_once(self) -> bool:
        """Whether one such failure is enough to leave the target alone."""
        return self.kind in ("spend", "balance", "auth", "model", "rate")

    @property
    def of_model(self) -> bool:
        """Whether it says nothing of the target's other models."""
        return self.kind in ("model", "rate", "overload", "slow")


def fault_of(status: int, body: bytes, retry_after_s: float = 0.0) -> Fault | None:
    """What an answer that is no success says; None where it is one, or the request's own fault."""
    if status < 400:
        return None
    refusal = refusal_of(status, body)
    if refusal.kind == "spend":
        return Fault("spend", shared=refusal.shared)
    error = error_in(body)
    if status == 402 or (status in (400, 403, 429) and _BALANCE.search(error.message)):
        return Fault("balance", shared=True)
    kind = _BY_STATUS.get(status)
    return Fault(kind, retry_after_s=retry_after_s if kind in ("rate", "overload") else 0.0) if kind is not None else None


def fault_in_stream(opening: bytes) -> Fault | None:
    """What a stream says whose first event is an error, by its first bytes; None where it begins with anything else."""
    if not opening.startswith(b"event: error"):
        return None
    data = opening.partition(b"data:")[2].partition(b"\n")[0]
    return _fault_by_type(error_in(data).type)


def _fault_by_type(kind: str) -> Fault | None:
    status = next((status for status, name in _TYPES.items() if name == kind), 0)
    return Fault(_BY_STATUS[status]) if status else None


def fault_in(error: UpstreamError) -> Fault | None:
    """What the lack of an answer says of the target; None where it says nothing."""
    if isinstance(error, Unreachable):
        return Fault("unreachable")
    if isinstance(error, SpendCapped):
        return Fault("spend", shared=True)
    if isinstance(error, Crowded):
        return Fault("rate", retry_after_s=error.retry_after_s)
    return Fault("slow") if isinstance(error, UpstreamTimeout | BrokenReply) else None

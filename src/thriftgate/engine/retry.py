"""Whether and when to try again: a pure decision over an answer's status, error type and headers.

Nothing is retried once a byte of the answer has gone to the client. Rules: platform.claude.com/docs/en/api/errors and
/api/rate-limits, 2026-10; the SDK's own: anthropic-sdk-python v0.121.0 `_base_client.py`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.governing.refusals import is_spend_limit
from thriftgate.providers.transport import Headers, header

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_FIRST_WAIT_S = 0.5


class RetryPolicy(Struct, frozen=True):
    """`auto` leaves retries to clients that say they do their own: two layers of retries multiply.

    `attempts_max` counts the first one. A wait longer than `wait_s_max` is the client's to decide.
    """

    mode: Literal["auto", "always", "never"] = "auto"
    attempts_max: int = 3
    wait_s_max: float = 8.0


class Attempts(NamedTuple):
    """How often a call may be sent, the first time included: where each time an answer came that is no success, and where
    the provider was not reached, which is repeated at no risk."""

    answers: int
    connects: int


def attempts_allowed(policy: RetryPolicy, client_headers: Headers) -> Attempts:
    """How often this client's call may be sent."""
    if policy.mode == "never":
        return Attempts(1, 1)
    if policy.mode == "auto" and (
        header(client_headers, b"x-stainless-retry-count") or header(client_headers, b"user-agent").startswith("claude-cli")
    ):
        return Attempts(1, policy.attempts_max)
    return Attempts(policy.attempts_max, policy.attempts_max)


def retry_wait_s(status: int, headers: Headers, body: bytes, attempt: int, policy: RetryPolicy) -> float | None:
    """Seconds to wait before the next attempt (`attempt` is the one that failed, from 1); None to give the answer back."""
    told = header(headers, b"x-should-retry")
    if told == "false" or (status not in RETRIED and told != "true"):
        return None
    if status == 429 and is_spend_limit(body):
        return None  # lasts until the first of the next month
    try:
        wait_s = float(header(headers, b"retry-after"))
    except ValueError:
        wait_s = _FIRST_WAIT_S * 2.0 ** (attempt - 1)
    return wait_s if 0 <= wait_s <= policy.wait_s_max else None

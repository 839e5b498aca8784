"""Every error thriftgate raises on purpose. Each answers: whose fault, which HTTP status, which metric label.

    ThriftgateError
    ├── InputError           the caller sent something unusable             400
    │   └── TooLarge         the body is over the limit                     413
    ├── Unauthenticated      no key, or none that is good                   401
    ├── NotAllowed           the key is good, and may not do that           403
    ├── NotThere             there is nothing of that name                  404
    │   └── ModelNotFound    no such model, and none that it is mapped to   404
    ├── PolicyRefusal        a rule of the operator or caller said no       400
    │   ├── BudgetExceeded   a budget has no room for the call              402 or 429
    │   ├── LimitExceeded    a limit has no room for the call now, or ever  429 or 400
    │   └── NothingKept      an earlier answer was wanted, and none is kept 504
    ├── UpstreamError        the provider could not be reached or made sense of
    │   ├── Unreachable      nothing was sent: surely not billed            502
    │   ├── UpstreamTimeout  sent, no answer in time: may be billed         504
    │   ├── BrokenReply      sent, the answer broke off or is no HTTP       502
    │   ├── Crowded          nothing was sent: the provider's limits        529
    │   ├── ClientLeft       nothing was sent: the client went meanwhile    499
    │   └── SpendCapped      nothing was sent: the money of the key is spent 429
    ├── LedgerError          the books cannot be written: money fails closed 503
    ├── SharedLost           limits that replicas share cannot be checked   503
    ├── UnknownPrice         no price for this model, date and context      400
    └── ConfigError          settings, price book or model table are wrong  500

Not errors: `plan.Skip` (a lever stands aside) and an HTTP error that the provider itself sent, which reaches the
client byte for byte.
"""

from __future__ import annotations

import math

HELD_RETRY_S = 1.0


class ThriftgateError(Exception):
    """Root. `status_hint` is the HTTP status to answer; `error_type` the type in Anthropic's error shape; `label` has low
    cardinality and is safe for metrics."""

    status_hint: int = 500
    error_type: str = "api_error"
    label: str = "internal"
    retry_after_s: float = 0.0  # when it is worth trying again; 0 where that is not known
    headers: tuple[tuple[bytes, bytes], ...] = ()  # what else the client is told
    call_id: str = ""  # the ledger id of the call it ended, where there is one
    after_answer: bool = False  # the provider had answered: trying again would be billed again


class InputError(ThriftgateError):
    """The caller's request cannot be used as it is; the message says what is wrong, where, and what to do."""

    status_hint = 400
    error_type = "invalid_request_error"
    label = "bad_input"


class TooLarge(InputError):
    """The body exceeds the Messages limit of 32 MB (platform.claude.com/docs/en/api/errors, 2026-08)."""

    status_hint = 413
    error_type = "request_too_large"
    label = "too_large"


class Unauthenticated(ThriftgateError):
    """Nobody that may call. The message is the same whatever is wrong with the key, which it never repeats."""

    status_hint = 401
    error_type = "authentication_error"
    label = "unauthenticated"


class NotAllowed(ThriftgateError):
    """The caller is known and may not do that; the message says what would let it."""

    status_hint = 403
    error_type = "permission_error"
    label = "not_allowed"


class NotThere(ThriftgateError):
    """There is nothing of that name or id, or it belongs to somebody else."""

    status_hint = 404
    error_type = "not_found_error"
    label = "not_there"


class ModelNotFound(NotThere):
    """A client of the OpenAI dialect names a model that is none of Claude's, and no setting maps it to one."""

    label = "model_not_found"


class PolicyRefusal(ThriftgateError):
    """A limit set by the operator or the caller forbids the call; nothing was sent."""

    status_hint = 400
    error_type = "invalid_request_error"
    label = "refused"


class BudgetExceeded(PolicyRefusal):
    """A budget has no room for the call; nothing was sent. 402, as the API answers where a bill cannot be paid, and which no
    SDK tries again (platform.claude.com/docs/en/api/errors, 2026-08). With `held` it would have room once calls under way
    are settled: then 429, which SDKs do try again. `free_in_s` is when its window ends."""

    status_hint = 402
    error_type = "billing_error"
    label = "budget"

    def __init__(self, message: str, *, held: bool = False, free_in_s: float = 0.0) -> None:
        super().__init__(message)
        self.held = held
        self.free_in_s = free_in_s
        if held:
            self.status_hint, self.error_type, self.label = 429, "rate_limit_error", "budget_held"
            self.retry_after_s = HELD_RETRY_S


class LimitExceeded(PolicyRefusal):
    """A limit has no room for the call; nothing was sent. 429, as the API answers where a rate limit is reached, and which
    SDKs try again after `retry-after`; with `never` the call is larger than the limit allows at any time: 400, which no SDK
    tries again (platform.claude.com/docs/en/api/errors, 2026-08)."""

    status_hint = 429
    error_type = "rate_limit_error"
    label = "limit"

    def __init__(self, message: str, *, retry_after_s: float = HELD_RETRY_S, never: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = float(math.ceil(max(retry_after_s, HELD_RETRY_S)))  # too early would be in vain
        if never:
            self.status_hint, self.error_type, self.label = 400, "invalid_request_error", "limit_never"
            self.retry_after_s = 0.0


class NothingKept(PolicyRefusal):
    """The caller wanted an earlier answer or none, and none is kept; nothing was sent. 504, as caches answer
    `only-if-cached` (RFC 9111 section 5.2.1.7). SDKs must not try again: that is for the caller to decide."""

    status_hint = 504
    error_type = "not_found_error"
    label = "nothing_kept"
    headers = ((b"x-should-retry", b"false"),)


class UpstreamError(ThriftgateError):
    """The provider did not give a usable HTTP answer."""

    status_hint = 502
    error_type = "api_error"
    label = "upstream"


class Unreachable(UpstreamError):
    """No request left: the connection could not be made."""

    label = "unreachable"


class UpstreamTimeout(UpstreamError):
    """The request left and no answer came in time; it may have been billed."""

    status_hint = 504
    error_type = "timeout_error"
    label = "timeout"


class BrokenReply(UpstreamError):
    """The request left and the answer broke off or was not HTTP; it may have been billed."""

    label = "broken_reply"


class Crowded(UpstreamError):
    """The provider's rate limits leave no room for the call in the time that it may wait; nothing was sent. Not a 429: that
    would say that this client has asked for too much."""

    status_hint = 529
    error_type = "overloaded_error"
    label = "crowded"

    def __init__(self, message: str, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ClientLeft(UpstreamError):
    """The client went away while its call waited to be sent."""

    status_hint = 499
    label = "left"


class SpendCapped(UpstreamError):
    """The provider takes no calls on our key in this month: its spend limit is reached. Trying again does not help."""

    status_hint = 429
    error_type = "rate_limit_error"
    label = "spend_cap"


class LedgerError(ThriftgateError):
    """The ledger cannot be read or written."""

    status_hint = 503
    error_type = "api_error"
    label = "ledger"


class SharedLost(ThriftgateError):
    """What the replicas share cannot be reached, and a limit of callers with it; nothing was sent."""

    status_hint = 503
    error_type = "api_error"
    label = "shared_lost"
    retry_after_s = 1.0


class UnknownPrice(ThriftgateError):
    """The price book has no row for this model, date and context. Never priced as zero or as a similar model."""

    status_hint = 400
    error_type = "invalid_request_error"
    label = "unpriced"


class ConfigError(ThriftgateError):
    """A setting, price book or model table is wrong; the message names the key and suggests the nearest right one."""

    label = "config"

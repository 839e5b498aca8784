"""How long the engine goes on with a call, and how far."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.keepalive import Bounds
from thriftgate.engine.failover import FailoverRules
from thriftgate.engine.governing import Bounds as Waits
from thriftgate.engine.hedging import HedgeRules
from thriftgate.engine.reply import Drain
from thriftgate.engine.retry import RetryPolicy
from thriftgate.engine.upstreams import Rules
from thriftgate.providers.transport import Headers, Timeouts, header


class Limits(Struct, frozen=True):
    """How long and how far to go. `fanout_wait_s` is how long a call may wait for another that writes its prefix; those of
    `latency_critical` keys never do. Without `keepalive` no ping is sent, without `governor` no call is paced."""

    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    drain: Drain = Drain()
    shutdown_s: float = 30.0
    fanout_wait_s: float = 2.0
    latency_critical: frozenset[str] = frozenset()
    keepalive: Bounds | None = None
    governor: Waits | None = None
    choice: Rules = Rules()
    failover: FailoverRules = FailoverRules()
    hedging: HedgeRules = HedgeRules()

    def may_wait(self, key: str, headers: Headers) -> bool:
        """Whether this call may wait at all. `headers` are the client's."""
        if self.fanout_wait_s <= 0 or key in self.latency_critical:
            return False
        return header(headers, b"thriftgate-latency") != "critical"

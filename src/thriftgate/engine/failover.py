"""When a call that has failed at one target is made at another, and what it says of the first.

A target is tried again, once, before a conversation leaves it that is in its cache: writing the prefix anew elsewhere costs
more than half a second. Nothing is tried again once a byte of an answer has gone to the client, nor when the fault is the
request's own. Each try is a call of its own in the books.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.clock import Clock
from thriftgate.core.errors import UpstreamError
from thriftgate.core.foreign import is_foreign
from thriftgate.core.health.faults import Fault, fault_in, fault_in_stream, fault_of
from thriftgate.engine.call import Call, Reply
from thriftgate.engine.reply import StreamReply
from thriftgate.engine.retry import Attempts
from thriftgate.engine.settle import Prepared
from thriftgate.engine.upstreams import Upstreams
from thriftgate.providers.transport import Headers, header

WARM, COLD = Attempts(2, 1), Attempts(1, 1)


class FailoverRules(Struct, frozen=True):
    """`targets_max` counts the first one; no further one is tried once a call has taken `deadline_s`."""

    on: bool = True
    targets_max: int = 3
    deadline_s: float = 60.0


class Failover:
    """One per engine."""

    def __init__(self, upstreams: Upstreams, rules: FailoverRules, clock: Clock) -> None:
        self._upstreams = upstreams
        self._rules = rules
        self._clock = clock

    def attempts(self, call: Call, prepared: Prepared, allowed: Attempts) -> Attempts:
        """How often the call may be sent to its target, where it might be sent to another."""
        if not prepared.upstream or self._next(call, prepared) is None:
            return allowed
        return WARM if prepared.plan.forecast.tokens.read else COLD

    def answered(self, prepared: Prepared, status: int, headers: Headers, body: bytes | None) -> None:
        """An answer has begun; `body` is that of one that is no success."""
        if not prepared.upstream:
            return
        since_s, model = prepared.opened_us / 1e6, prepared.request.model
        if body is None:
            self._upstreams.served(prepared.upstream, model, since_s)
        elif (fault := fault_of(status, body, _retry_after_s(headers))) is not None:
            self._upstreams.failed(prepared.upstream, model, fault, since_s)

    def unanswered(self, prepared: Prepared, error: BaseException) -> None:
        """No answer has come."""
        fault = fault_in(error) if isinstance(error, UpstreamError) else None
        if prepared.upstream and fault is not None:
            self._upstreams.failed(prepared.upstream, prepared.request.model, fault, prepared.opened_us / 1e6)

    def instead(self, call: Call, prepared: Prepared, reply: Reply) -> Call | None:
        """The call to be made in the place of one that was answered so; None where the answer is the client's."""
        if reply.body is None or reply.status < 400:
            return None
        fault = fault_of(reply.status, reply.body)
        if fault is None:  # what another vendor's model does not take, Claude may
            return self._unrouted(call, prepared)
        return self._next(call, prepared, fault)

    def after(self, call: Call, prepared: Prepared, error: UpstreamError) -> Call | None:
        """The call to be made in the place of one that brought no answer; None where there is none."""
        fault = fault_in(error)
        return self._next(call, prepared, fault) if fault is not None else None

    def copy_of(self, call: Call, prepared: Prepared) -> Call | None:
        """The same call for another target; None where there is none."""
        return self._elsewhere(call, prepared)

    async def opened(self, call: Call, prepared: Prepared, reply: StreamReply) -> Call | None:
        """The call to be made in the place of a stream that begins with an error, or ends before it has begun: nothing of it
        has gone to the client. None where it begins well, or nobody else can be asked. Raises UpstreamError."""
        if self._next(call, prepared) is None:
            return None
        try:
            fault = fault_in_stream(await reply.opening())
        except UpstreamError as error:
            self.unanswered(prepared, error)
            if (other := self.after(call, prepared, error)) is None:
                raise
            return other
        other = self._next(call, prepared, fault) if fault is not None else None
        if other is None or fault is None:
            return None
        self._upstreams.failed(prepared.upstream, prepared.request.model, fault, prepared.opened_us / 1e6)
        await reply.drop("the stream began with an error", served=False)
        return other

    def _next(self, call: Call, prepared: Prepared, fault: Fault | None = None) -> Call | None:
        """The call for another target, or for the model that the client named."""
        return self._elsewhere(call, prepared, fault) or self._unrouted(call, prepared)

    def _elsewhere(self, call: Call, prepared: Prepared, fault: Fault | None = None) -> Call | None:
        if not self._rules.on or not prepared.upstream or len(call.failed) + 1 >= len(self._upstreams.pool.targets):
            return None  # most gateways have one target: nothing is worked out for them
        first_us = call.first_us or prepared.opened_us
        failed = (*call.failed, prepared.upstream)
        other = replace(call, upstream="", failed=failed, first_us=first_us)
        took_s = self._clock.now_s() - first_us / 1e6
        within = len(failed) < self._rules.targets_max and took_s < self._rules.deadline_s
        # Money and credentials say nothing of the call, and cost no time: it goes on for as long as there is any target.
        if not within and not (fault is not None and fault.kind in ("spend", "balance", "auth")):
            return None
        return other if self._upstreams.may_go_elsewhere(other, prepared.request) else None

    def _unrouted(self, call: Call, prepared: Prepared) -> Call | None:
        """The call for the model that the client named, where another vendor's had been put in its place."""
        if prepared.asked is None or call.unrouted or not self._rules.on or not is_foreign(prepared.request.model):
            return None
        why = f"{prepared.request.model} failed at {prepared.upstream}: {prepared.id}"
        first_us = call.first_us or prepared.opened_us
        return replace(call, upstream="", first_us=first_us, unrouted=why)


def _retry_after_s(headers: Headers) -> float:
    try:
        return max(0.0, float(header(headers, b"retry-after")))
    except ValueError:
        return 0.0

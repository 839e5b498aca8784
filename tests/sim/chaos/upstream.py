"""The way to the provider, on which a request is lost before it leaves or its answer never comes."""

from __future__ import annotations

import random
import re
from collections import defaultdict

from tests.fixtures import TestClock
from thriftgate.core.errors import Unreachable, UpstreamTimeout
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts, header
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults

_NUMBER = re.compile(rb"Letter (\d+):")


def BROWN_OUT(seed: int | None) -> Faults:  # noqa: N802
    """Half of all requests end in some other way than they should; with None none."""
    if seed is None:
        return Faults()
    few, some = 0.03, 0.06
    return Faults(
        seed=seed,
        reset_before_headers=some,
        rate_limit=few,
        internal_error=some,
        overloaded=some,
        garbage_body=few,
        empty_body=few,
        wrong_length=few,
        reset_mid_stream=some,
        cut_stream=some,
        garbage_sse=few,
        error_event=some,
        latency=some,
        slow_drip=some,
        batch_error=some,
        batch_poll_limited=some,
        batch_post_lost=some,
        batch_error_late=some,
        batch_results_cut=some,
        batch_item_error=some,
    )


class Wire:
    """The transport of every engine of a world. `answered` are the provider's names of the requests that were made for each
    numbered letter."""

    def __init__(self, simulator: Simulator, draw: random.Random, clock: TestClock, *, hangs: bool) -> None:
        self.inner = AsgiTransport(simulator)
        self.hangs = hangs
        self.answered: defaultdict[int, list[str]] = defaultdict(list)
        self._draw = draw
        self._clock = clock

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        chance = self._draw.random() if self.hangs else 1.0
        if chance < 0.04:
            raise Unreachable("nobody there, as the seed will have it")
        incoming = await self.inner.send(outgoing, timeouts)
        found = _NUMBER.search(outgoing.body) if isinstance(outgoing.body, bytes) else None
        if found is not None:
            self.answered[int(found[1])].append(header(incoming.headers, b"request-id"))
        if chance < 0.08:
            try:
                await incoming.read()
            finally:
                incoming.close()
            self._clock.advance(timeouts.read_s)
            raise UpstreamTimeout("no answer in time, as the seed will have it")
        return incoming

    async def close(self) -> None:
        """Other engines use it still."""

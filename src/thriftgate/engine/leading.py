"""Which of the processes that serve one set of books leads.

All of them serve. What must be done once, whoever serves, is done by the one that leads: pings, alerts, the queue, putting
down what was learned, forgetting, closing what killed processes left open. Who holds the books' claim leads; when it ends,
whatever way, another has the claim within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from thriftgate.core.errors import LedgerError, ThriftgateError
from thriftgate.logs import log, where_raised

EVERY_S = 1.0  # between two tries, and between two rounds of the leader's duties

Try = Callable[[], Awaitable[bool]]
Duty = Callable[[], Awaitable[object]]
Change = Callable[[bool], Awaitable[None]]


class Leading:
    """One per engine. `try_lead` tells whether this process has the claim, and takes it where it is free; without one, this
    process leads, or does not, for good: as `leads` says.

    `changed` are told of a gain and of a loss; one that raises is asked again in the next round. `duties` are done in every
    round while this process leads.
    """

    def __init__(self, try_lead: Try | None = None, *, leads: bool = True) -> None:
        self.leads = leads and try_lead is None
        self.changed: list[Change] = []
        self.duties: list[Duty] = []
        self._try_lead = try_lead
        self._told: set[int] = set()  # places of those among `changed` that know of the gain
        self._loop: asyncio.Task[None] | None = None

    async def look(self) -> bool:
        """Whether this process leads now. Raises LedgerError where that cannot be told."""
        if self._try_lead is not None:
            self.leads = await self._try_lead()
        return self.leads

    def start(self) -> None:
        """Look every second from now on, and do what is to be done. Does nothing where nothing can change."""
        if self._try_lead is not None and self._loop is None:
            self._loop = asyncio.ensure_future(self._rounds())

    async def told(self) -> None:
        """Tell those among `changed` that do not know yet how it is. Raises what they raise."""
        for place, change in enumerate(self.changed):
            if self.leads != (place in self._told):
                await change(self.leads)
                self._told.symmetric_difference_update({place})

    async def close(self) -> None:
        """Look no more. What is led stays so until the ledger is closed."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            self._loop = None

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            led = self.leads
            try:
                await self.look()
            except LedgerError as error:
                self.leads = False
                log.warning("nobody knows who leads", error=str(error))
            if self.leads != led:
                log.info("this process leads" if self.leads else "another process leads")
            await _done(self.told)
            for duty in self.duties if self.leads else ():
                await _done(duty)


async def _done(work: Duty) -> None:
    """One thing that goes wrong must not keep the others from being done, nor from being tried again."""
    try:
        await work()
    except Exception as error:  # noqa: BLE001  a round must outlive whatever happens in it
        words = str(error) if isinstance(error, ThriftgateError) else ""
        log.error("a leader's duty failed", error=type(error).__name__, words=words, at=where_raised(error))

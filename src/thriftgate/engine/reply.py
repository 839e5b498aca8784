"""What goes back: the reply's headers, and a streamed answer on its way to the client and into the books."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import UpstreamError
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.budgeting import budget_headers
from thriftgate.engine.settle import Ending, Prepared
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry, Outcome
from thriftgate.providers.envelope import named_by_connection
from thriftgate.providers.transport import Headers, Incoming
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.prefilled import Beginning

# Of the answer's headers, those that belong to one connection (RFC 9110 section 7.6.1) or that the server makes anew.
_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authentication-info te trailer transfer-encoding "
    b"upgrade content-length".split()
)
# What a browser does to the host that it was said by: for the provider's own, not for the gateway's.
_OF_ITS_HOST = frozenset(
    b"set-cookie set-cookie2 strict-transport-security alt-svc clear-site-data nel report-to reporting-endpoints".split()
)


class Drain(Struct, frozen=True):
    """How much of an answer is read on after its client left: the final usage stands at its end."""

    seconds: float = 60.0
    bytes_max: int = 8 * 1024 * 1024


class StreamReply:
    """A streamed answer. The bytes go out as they come; the last piece waits for the books, so that a reply the client has
    received whole is in the ledger, whatever is killed when. `settle` must be safe against cancellation. With `early` the
    answer is ended where that says so: the provider is left at once, and the piece that closes the message is the last.
    `beginning` stands before its first text."""

    body: bytes | None = None

    def __init__(
        self,
        prepared: Prepared,
        incoming: Incoming,
        ending: Ending,
        *,
        settle: Callable[[Ending], Awaitable[Entry]],
        tasks: Tasks,
        drain: Drain,
        early: EarlyEnd | None = None,
        beginning: str = "",
    ) -> None:
        self.status = incoming.status
        self.headers = reply_headers(incoming.headers, prepared, None)
        self._id = prepared.id
        self._incoming = incoming
        self._ending = ending
        self._book = settle
        self._tasks = tasks
        self._limits = drain
        self._early = early
        self._beginning = Beginning(beginning)
        self._meter = prepared.dialect.meter()
        self._source = incoming.chunks()
        self._settled = False
        self._draining: asyncio.Task[None] | None = None
        self._opening: bytes | None = None

    async def opening(self) -> bytes:
        """The first piece, which `read` gives once more. Raises UpstreamError."""
        if self._opening is None:
            self._opening = await self.read()
        return self._opening

    async def drop(self, why: str, *, served: bool = True) -> None:
        """Nobody wants the answer any more: end it at once. One that was not `served` is not billed."""
        await self._end("left" if served else "failed", why)

    async def read(self) -> bytes:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            return opening
        while True:
            chunk = await self._next()
            piece = chunk if self._early is None else self._early.feed(chunk) or (b"" if chunk else self._early.rest())
            piece = self._beginning.feed(piece) + (b"" if chunk else self._beginning.rest())
            complete = self._meter.feed(chunk)
            if self._stops():
                await self._end("answered", "")
            elif not chunk:
                await self._end("cut", "the stream ended without message_stop")
            elif complete and not self._settled:
                await self._settle("answered")
            if piece or not chunk:
                return piece

    async def _next(self) -> bytes:
        """The next bytes of the provider, b"" at their end. A failure is settled before it is raised."""
        if self._stops():
            return b""
        try:
            return await anext(self._source, b"")
        except UpstreamError as error:
            error.call_id = self._id
            await self._end("cut", str(error))
            raise
        except asyncio.CancelledError:
            await self._end("left", "cut off: thriftgate was stopped")
            raise
        except BaseException as error:
            await self._end("cut", type(error).__name__)
            raise

    def _stops(self) -> bool:
        """Whether the answer was ended early: nothing more is read of it."""
        return self._early is not None and self._early.met

    @property
    def ended(self) -> bool:
        return self._opening is None and self._settled and (self._stops() or self._incoming.at_end())

    async def leave(self) -> None:
        """Read on in the background until the final usage came or a drain limit is reached, then settle."""
        if self._draining is None and self._settled:
            self._incoming.close()
            return
        self._draining = self._draining or self._tasks.spawn(self._drain())
        await asyncio.shield(self._draining)

    async def _drain(self) -> None:
        note = "the client left"
        try:
            async with asyncio.timeout(self._limits.seconds):
                read = 0
                async for chunk in self._source:
                    read += len(chunk)
                    if self._early is not None:
                        self._early.feed(chunk)
                    if self._meter.feed(chunk) or self._stops():
                        break
                    if read > self._limits.bytes_max:
                        note = f"the client left; not drained to the end within {self._limits.bytes_max} bytes"
                        break
        except TimeoutError:
            note = f"the client left; not drained to the end within {self._limits.seconds:g} s"
        except UpstreamError as error:
            note = f"the client left; {error}"
        except asyncio.CancelledError:
            note = "the client left; not drained to the end before thriftgate was stopped"
        await self._end("left", note)

    async def _end(self, outcome: Outcome, note: str) -> None:
        """Give the connection back and settle, if that was not done when the message ended."""
        self._incoming.close()
        if not self._settled:
            await self._settle(outcome, note)

    async def _settle(self, outcome: Outcome, note: str = "") -> None:
        self._settled = True
        reading = self._meter.reading()
        if self._early is not None:
            reading = self._early.settled(reading)
            if reading.stopped_early:
                note = f"{note}; ended early: {self._early.until}".removeprefix("; ")
        if reading.error:
            note = f"{note}; the stream reported {reading.error}".removeprefix("; ")
        await self._book(replace(self._ending, outcome=outcome, reading=reading, note=note))


def reply_headers(headers: Headers, prepared: Prepared, entry: Entry | None) -> Headers:
    """The provider's headers and ours. What a stream costs is known only at its end, so it tells a forecast."""
    plan = prepared.plan
    ours = [
        (b"thriftgate-request-id", prepared.id.encode()),
        (b"thriftgate-plan", (",".join(plan.applied()) or "none").encode()),
        (b"thriftgate-forecast-usd", usd_from_pico(plan.forecast.pico).encode()),
    ]
    warned = "; ".join(one.reason for one in plan.decisions if one.decision == "warned")
    ours += budget_headers(prepared.standings)
    if prepared.admission is not None:
        ours += prepared.admission.told()
    if prepared.upstream:
        ours.append((b"thriftgate-target", prepared.upstream.encode()))
    if prepared.failed:
        ours.append((b"thriftgate-tried", " ".join(prepared.failed).encode()))
    if warned:
        ours.append((b"thriftgate-warning", warned.encode("ascii", "replace")[:1000]))
    if entry is not None:
        paid = -entry.posted(UPSTREAM)
        ours.append((b"thriftgate-cost-usd", usd_from_pico(paid).encode()))
        ours.append((b"thriftgate-saved-usd", usd_from_pico(entry.posted(BASELINE) - paid).encode()))
        ours.append((b"thriftgate-usage-source", entry.usage_source.encode()))
    return (*forwarded(headers), *ours)


def forwarded(headers: Headers) -> Headers:
    """The provider's headers that concern the client: none of the connection's, none that only we can say."""
    dropped = _HOP | _OF_ITS_HOST | named_by_connection(headers)
    return tuple(one for one in headers if one[0] not in dropped and not one[0].startswith(b"thriftgate-"))

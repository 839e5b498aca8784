"""An answer that is ended early for a client that asked for no stream: it is streamed from the provider all the same, since
only a stream can be left, and put together to the whole message that the client expects."""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.core.errors import BrokenReply, UpstreamError
from thriftgate.core.output.until import parse_until
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.settle import Prepared, outcome_of
from thriftgate.ledger.entries import Outcome
from thriftgate.providers.transport import Headers, Incoming, laid_over
from thriftgate.wire.dialect import Meter
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.meter import Reading
from thriftgate.wire.whole_message import message_of

_JSON: Headers = ((b"content-type", b"application/json"),)


class Gathered(NamedTuple):
    """How it went, not booked yet. `body` is the whole message; where there is none, `raised` is to be raised once the call
    is booked."""

    outcome: Outcome
    reading: Reading
    body: bytes = b""
    note: str = ""
    raised: BaseException | None = None


def as_stream(body: bytes) -> bytes:
    """A request that asks for a stream; the rest of it keeps its bytes. Raises InputError where it cannot be edited."""
    return apply(body, [Edit(("stream",), b"true")])


def as_message(headers: Headers) -> Headers:
    """The headers of a streamed answer as those of a whole one."""
    return laid_over(headers, _JSON)


def early_end(prepared: Prepared) -> EarlyEnd | None:
    """What ends the answer of this call, where anything does."""
    wanted = prepared.wanted
    if wanted is None or not wanted.shaped.until:
        return None
    family = prepared.snapshot.state.capability.tokenizer
    return EarlyEnd(parse_until(wanted.shaped.until), family, wanted.shaped.prefilled)


async def gather(incoming: Incoming, meter: Meter, early: EarlyEnd) -> Gathered:
    """Read the answer up to where it is complete, and give the connection back there. Never raises."""
    pieces: list[bytes] = []
    try:
        async for chunk in incoming.chunks():
            pieces.append(early.feed(chunk))
            if meter.feed(chunk) or early.met:
                break
    except BaseException as error:  # noqa: BLE001  raised again once it is booked
        note = str(error) if isinstance(error, UpstreamError) else type(error).__name__
        return Gathered(outcome_of(error, began=True), meter.reading(), note=note, raised=error)
    finally:
        incoming.close()
    return _put_together(b"".join([*pieces, early.rest()]), early.settled(meter.reading()), early)


def _put_together(stream: bytes, reading: Reading, early: EarlyEnd) -> Gathered:
    if not reading.complete and not early.met:
        told = f"the stream reported {reading.error}" if reading.error else "the stream ended without message_stop"
        broken = BrokenReply(f"the provider's answer broke off: {told}; it may have been billed")
        return Gathered("cut", reading, note=told, raised=broken)
    try:
        body = message_of(stream)
    except ValueError as error:
        broken = BrokenReply(f"the provider's answer cannot be put together to a message: {error}; it was billed")
        return Gathered("garbage", reading, note=f"no message: {error}", raised=broken)
    return Gathered("answered", reading, body, f"ended early: {early.until}" if reading.stopped_early else "")

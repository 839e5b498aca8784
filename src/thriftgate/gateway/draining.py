"""How a process that serves comes to its end: it says so first, then takes no more, and what still runs is cut in words.

From `begin` on, `/readyz` says 503 and every answer closes its connection, so that clients and balancers go elsewhere while
they are still served. What a client of a cut stream reads is an error in its own dialect, never a stream that looks whole.
"""

from __future__ import annotations

from thriftgate.core.errors import ThriftgateError
from thriftgate.gateway.asgi import Message, Send

CLOSE = (b"connection", b"close")


class Ending(ThriftgateError):
    """This process is about to end, or has cut a call off because its time was over."""

    status_hint = 503
    error_type = "overloaded_error"
    label = "stopping"


class Draining:
    """One per gateway. `on` from the moment that the end was decided, `cutting` once the time for running calls is over."""

    def __init__(self) -> None:
        self.on = False
        self.cutting = False

    def begin(self) -> None:
        """The end is near: say so in every answer from now on."""
        self.on = True

    def cut(self) -> None:
        """The time is over: whoever is cancelled from now on is told why."""
        self.on = self.cutting = True


def closing(send: Send) -> Send:
    """Answers tell that their connection ends with them."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*(one for one in message["headers"] if one[0] != CLOSE[0]), CLOSE]}
        await send(message)

    return told


def cut_off() -> Ending:
    """What a call is told that was not finished in time."""
    return Ending(
        "thriftgate was stopped before this answer was complete; it is booked as far as it came, and may be asked again"
    )

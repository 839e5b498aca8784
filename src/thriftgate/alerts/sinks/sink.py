"""What tells people: one contract, one file each."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from thriftgate.clock import Clock
from thriftgate.core.alerting.alert import Message
from thriftgate.core.alerting.message import Text
from thriftgate.core.errors import ThriftgateError
from thriftgate.providers.receivers import Receivers
from thriftgate.providers.transport import Transport


class Undelivered(ThriftgateError):
    """A message was not taken. The words tell neither the URL, which can hold a secret, nor what the receiver answered."""

    label = "undelivered"


class Roads(NamedTuple):
    """What sinks send through: `transport` connects only where `receivers` allow it."""

    transport: Transport
    receivers: Receivers
    clock: Clock
    public_url: str = ""


class Sink(Protocol):
    """Sends a message once. The same message can come again after a failure or a kill, under the same id."""

    async def send(self, message: Message, text: Text) -> None:
        """Raises Undelivered."""

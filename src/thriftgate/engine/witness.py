"""Somebody who looks at answered calls: shadow runs and audits of quality hang here. The engine knows no more of them."""

from __future__ import annotations

from typing import Protocol

from thriftgate.engine.call import Call
from thriftgate.engine.settle import Prepared
from thriftgate.ledger.entries import Entry
from thriftgate.wire.assemble import Answer


class Witness(Protocol):
    """Must be quick, and must not raise: what takes long it does in tasks of its own, off the client's path."""

    def wants(self, call: Call, prepared: Prepared) -> bool:
        """Whether it wants to hear the answer of this call, which is about to be sent."""

    def heard(self, call: Call, prepared: Prepared, entry: Entry, answer: Answer | None) -> None:
        """The call was answered and booked. `answer` is None where it could not be put together."""

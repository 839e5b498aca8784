"""What answered calls have cost, by the id of their message: of every call that this process has settled, the latest."""

from __future__ import annotations

import threading
from decimal import Decimal

from msgspec import Struct

from thriftgate.core.errors import NotThere
from thriftgate.core.generations import Generations
from thriftgate.core.money import usd_from_pico
from thriftgate.core.plan import Decision
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry

KEPT = 10_000  # messages


class Cost(Struct, frozen=True):
    """One answered call, in dollars. `plan` is what each lever decided, and why; `estimated` where the provider's final
    figures did not come. `thriftgate explain REQUEST_ID` tells the rest."""

    cost_usd: Decimal
    saved_usd: Decimal
    request_id: str
    plan: tuple[Decision, ...]
    model: str
    mode: str
    task: str
    estimated: bool


class Costs:
    """One per engine; it hears every entry."""

    def __init__(self) -> None:
        self._entries: Generations[str, Entry] = Generations(KEPT)
        self._lock = threading.Lock()  # entries are heard in the engine's thread

    def heard(self, entry: Entry) -> None:
        """A call was settled."""
        if entry.message_id:
            with self._lock:
                self._entries[entry.message_id] = entry

    def of(self, message_id: str) -> Cost | None:
        """None where it is not among the latest."""
        with self._lock:
            entry = self._entries.get(message_id)
        return cost_of(entry) if entry is not None else None


def cost_of(entry: Entry) -> Cost:
    """What the books say of a call."""
    baseline, paid = entry.posted(BASELINE), -entry.posted(UPSTREAM)
    return Cost(
        Decimal(usd_from_pico(paid)),
        Decimal(usd_from_pico(baseline - paid)),
        entry.id,
        entry.decisions,
        entry.model,
        entry.mode,
        entry.task,
        entry.usage_source == "estimated",
    )


def id_of(message: object) -> str:
    """The id of a message, or of the message in a batch's result. Raises NotThere for what has none."""
    for path in (("id",), ("result", "message", "id"), ("message", "id")):
        found: object = message
        for name in path:
            found = getattr(found, name, None)
        if isinstance(found, str) and found:
            return found
    raise NotThere(f"cost_of: a {type(message).__name__} is no message; hand it what messages.create returned")

"""One call with the governor: its turn before each try, what the answers tell, and what it has used in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from thriftgate.core.errors import InputError
from thriftgate.core.governing.gate import Need, Ticket
from thriftgate.core.governing.groups import FAST, counted_input
from thriftgate.core.governing.line import PRIORITIES, Waiting
from thriftgate.core.governing.refusals import refusal_of
from thriftgate.core.governing.told import Told, read_told
from thriftgate.engine.governing import Governor, Place
from thriftgate.engine.settle import Prepared
from thriftgate.ledger.entries import Entry
from thriftgate.providers.transport import Headers, header

PRIORITY, QUEUE_S = b"thriftgate-priority", b"thriftgate-queue-s"
LONGEST_QUEUE_S = 3600.0
SPARE_SHARE = 0.25  # of each limit, is left by calls that nobody has asked for
HEAR_EVERY_S = 0.1  # where all limits are far
FAR_SHARE = 0.5
AGAIN_S = 0.25  # before the second try of a call that was refused; twice as long before each further one
NOTHING = Need(0.0, 0.0)

Left = Callable[[], Awaitable[None]]


class Turns:
    """The turns of the calls under way. One per engine."""

    def __init__(self, governor: Governor) -> None:
        self.governor = governor
        self._open: dict[str, Turn] = {}

    def of(self, prepared: Prepared, scope: str, headers: Headers, left: Left | None = None) -> Turn:
        """The turn of a call; once it has gone it must be settled. `scope` names whose limits it runs under; `headers` are
        the client's; `left` ends when the client has gone."""
        state = prepared.snapshot.state
        place = self.governor.place(scope, state.capability, prepared.plan.terms.mode)
        return Turn(self, place, prepared, headers, left)

    def take(self, id_: str, turn: Turn) -> None:
        """The call goes: somebody will settle it."""
        self._open[id_] = turn

    def settled(self, entry: Entry) -> None:
        """A call is over: what it has really used counts."""
        turn = self._open.pop(entry.id, None)
        if turn is not None:
            turn.ended(entry)


class Turn:
    """See the module. After `ready` has said yes, and after `wait`, the call must be sent."""

    __slots__ = ("_governor", "_headers", "_left", "_need", "_place", "_prepared", "_ticket", "_tries", "_turns", "_waiting")

    def __init__(self, turns: Turns, place: Place, prepared: Prepared, headers: Headers, left: Left | None) -> None:
        self._turns = turns
        self._governor = turns.governor
        self._place = place
        self._prepared = prepared
        self._headers = headers
        self._left = left
        tokens = prepared.plan.forecast.tokens
        self._need = Need(counted_input(prepared.snapshot.state.capability, tokens), float(tokens.output))
        self._ticket: Ticket | None = None
        self._waiting: Waiting | None = None
        self._tries = 0

    def has_room(self, spare_share: float) -> bool:
        """Whether the call could go now and leave so much of each limit."""
        place = self._place
        return not place.line and place.gate.wait_s(self._need, self._governor.clock.monotonic_s(), spare_share) <= 0

    def ready(self) -> bool:
        """Whether the call may go now."""
        place = self._place
        now_s = self._governor.clock.monotonic_s()
        if place.line or place.gate.wait_s(self._need, now_s, self._governor.bounds.reserve_share) > 0:
            return False
        self._goes(place.gate.take(self._need, now_s))
        return True

    async def wait(self) -> None:
        """Wait until it may go. Raises Crowded and ClientLeft."""
        self._goes(await self._governor.queue(self._place, self._in_line(), self._left))

    def heard(self, headers: Headers) -> None:
        """An answer has begun. Where all limits are far, not every one is looked at."""
        place, ticket = self._place, self._ticket
        if ticket is None:
            return
        now_s = self._governor.clock.monotonic_s()
        if place.far and not place.line and now_s - place.heard_s < HEAR_EVERY_S:
            place.gate.begun(ticket)
            return
        place.heard_s = now_s
        place.gate.heard(ticket, self._told(headers), now_s)
        place.far = place.gate.least_share(now_s) > FAR_SHARE
        self._governor.release(place)

    def unsent(self) -> None:
        """The provider was not reached."""
        if self._ticket is not None:
            self._place.gate.unsent(self._ticket, self._governor.clock.monotonic_s())
            self._ticket = None

    def refused(self, status: int, headers: Headers, body: bytes) -> bool:
        """The answer was an error. Whether the call shall wait for another turn instead of handing it on: after a rate limit
        that says for how long, within the time that the call may wait."""
        governor, place, ticket = self._governor, self._place, self._ticket
        if ticket is None:
            return False
        self._ticket = None
        now_s = governor.clock.monotonic_s()
        refusal = refusal_of(status, body)
        if refusal.kind:
            governor.counted(refusal)
        if refusal.kind not in ("rate", "surge"):
            place.gate.ended(ticket, NOTHING, now_s)
            return False
        self._tries += 1
        told = self._told(headers)
        least_s = AGAIN_S * 2.0 ** (self._tries - 1)
        wait_s = place.gate.refused(ticket, told, now_s, family=refusal.family, least_s=least_s)
        place.far = False
        if told.retry_after_s is None or governor.stopping or header(headers, b"x-should-retry") == "false":
            return False
        return now_s + wait_s < self._in_line().deadline_s

    def ended(self, entry: Entry) -> None:
        """The call is settled."""
        if self._ticket is not None:
            tokens = entry.usage.total
            used = Need(counted_input(self._prepared.snapshot.state.capability, tokens), float(tokens.output))
            self._place.gate.ended(self._ticket, used, self._governor.clock.monotonic_s())
            self._ticket = None
        self._governor.release(self._place)

    def _goes(self, ticket: Ticket) -> None:
        self._ticket = ticket
        self._turns.take(self._prepared.id, self)

    def _told(self, headers: Headers) -> Told:
        return read_told(headers, fast=self._place.name[1].endswith(FAST))

    def _in_line(self) -> Waiting:
        """Its place in the line, the same at each try."""
        if self._waiting is None:
            now_s, allowed_s = self._governor.clock.monotonic_s(), self._governor.bounds.queue_s_max
            try:
                priority, allowed_s = wishes(self._headers, allowed_s)
            except InputError:  # told at the door, where there is one
                priority = PRIORITIES["normal"]
            self._waiting = self._place.waiting(self._prepared.key, priority, self._need, now_s + allowed_s)
        return self._waiting


def wishes(headers: Headers, queue_s_max: float) -> tuple[int, float]:
    """The priority that a client asks for, and how long its call may wait (seconds). Raises InputError."""
    name, text = header(headers, PRIORITY).lower(), header(headers, QUEUE_S)
    if name and name not in PRIORITIES:
        raise InputError(f"header thriftgate-priority: {name!r} is none of {', '.join(PRIORITIES)}")
    try:
        queue_s = float(text) if text else queue_s_max
    except ValueError:
        queue_s = -1.0
    if not 0 <= queue_s <= LONGEST_QUEUE_S:
        raise InputError(f"header thriftgate-queue-s: {text!r} are no seconds between 0 and {LONGEST_QUEUE_S:.0f}")
    return PRIORITIES[name or "normal"], queue_s

"""What conversations and agent runs have spent, and what their calls under way may still spend.

A ceiling holds within one process: `reserve` judges and takes in one step that nothing can come between, so parallel calls
cannot pass it together. Several processes each count their own. What was spent survives a restart, but for the last minutes
of a process that was killed: a limit against runaways, not the budget of a tenant. Only digests are kept.

A conversation is known by its key, its user (`metadata.user_id`), its system prompt, its first message, the answer to that
and the message behind it. Conversations that agree in all of this are counted as one. What the first call of a conversation
cost is the most that any call with that beginning did: so conversations that begin alike do not add up. A client that
compacts its history begins a new conversation, and in a thread, whose history the provider holds, none can be told: there
only the run counts, which the header `thriftgate-run` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from thriftgate.core.agents.limits import Amount, Guard, GuardLimits, Spent, Verdict, judge
from thriftgate.core.agents.loops import find_loop
from thriftgate.core.agents.rounds import beginning_of, rounds_of
from thriftgate.core.agents.said import Reader
from thriftgate.core.blocks import digest_of, lenient
from thriftgate.core.generations import Generations
from thriftgate.core.memo import Turn
from thriftgate.core.request import Request
from thriftgate.core.routing.task import conversation_of

MEMORY = "runs"  # the name under which it is kept
NAMES = 20_000
KEPT_S = 7 * 86_400.0


class Names(NamedTuple):
    """Digests of the run and the conversation that a call belongs to, and of how that began; b"" where there is none. The
    first call of a conversation has only the beginning."""

    run: bytes = b""
    conversation: bytes = b""
    opening: bytes = b""


_NOBODY = Names()
_NOTHING = Spent()


class _Total(NamedTuple):
    tokens: int = 0
    pico: int = 0
    calls: int = 0
    at_s: float = 0.0


class _Taken(NamedTuple):
    """A call under way."""

    names: Names
    worst: Amount


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class Runs:
    """One per engine."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._totals: Generations[bytes, _Total] = Generations(NAMES)
        self._taken: dict[str, _Taken] = {}
        self._under_way: dict[bytes, Amount] = {}
        self._reader = Reader()

    def names(self, request: Request, turns: Sequence[Turn], key: str, run: str, limits: GuardLimits) -> Names:
        """Whose call this is, for `key`; what no ceiling asks for is left out. `run` is what the client calls its run."""
        named = digest_of(b"run", key.encode(), run.encode()) if run else b""
        if request.in_thread or not (limits.conversation_tokens or limits.conversation_pico):
            return Names(named) if named else _NOBODY
        user = lenient(request.raw("metadata"), _Metadata) if "metadata" in request.members else None
        opening = digest_of(conversation_of(request, key), (user.user_id or "").encode() if user is not None else b"")
        beginning = beginning_of(turns, self._reader)
        return Names(named, digest_of(opening, beginning) if beginning else b"", opening)

    def look(self, names: Names, turns: Sequence[Turn], limits: GuardLimits, now_s: float) -> Guard:
        """What the lever is to know of a call, frozen. `turns` are those that the client sent: in a prompt that old results
        were taken out of, these all look alike."""
        loops, steps = limits.loops, limits.steps
        rounds = rounds_of(turns, steps + 1, self._reader) if steps else ()
        return Guard(
            limits,
            self._conversation(names, now_s),
            self._spent(names.run, now_s) if names.run else None,
            steps=sum(bool(one.tools) for one in rounds),
            loop=find_loop(turns, loops, self._reader) if loops is not None else None,
        )

    def reserve(self, call_id: str, names: Names, worst: Amount, limits: GuardLimits, now_s: float) -> Verdict:
        """Take what the call may use at most, unless that stops it: other calls may have come since it was looked at. Each
        call that was taken is to be settled or released."""
        run = self._spent(names.run, now_s) if names.run else None
        verdict = judge(Guard(limits, self._conversation(names, now_s), run), worst)
        if verdict.action != "stop":
            self.release(call_id)
            self._taken[call_id] = _Taken(names, worst)
            self._shift(names, worst.tokens, worst.pico)
        return verdict

    def settle(self, call_id: str, used: Amount, now_s: float) -> None:
        """The call is over, and used so much. One that was not taken, or is settled, changes nothing."""
        taken = self._taken.get(call_id)
        if taken is None:
            return
        self.release(call_id)
        run, conversation, opening = taken.names
        if run:
            self._add(run, self._total(run, now_s), used, now_s)
        if conversation:
            self._add(conversation, self._so_far(taken.names, now_s), used, now_s)
        elif opening:
            most = self._total(opening, now_s)
            self._totals[opening] = _Total(max(most.tokens, used.tokens), max(most.pico, used.pico), 1, now_s)

    def besides(self, call_id: str, used: Amount, now_s: float) -> None:
        """Another call was made on behalf of this one, which is under way, and used so much: it counts afterwards."""
        taken = self._taken.get(call_id)
        if taken is not None:
            for name in filter(None, (taken.names.run, taken.names.conversation)):
                before = self._total(name, now_s)
                self._totals[name] = _Total(before.tokens + used.tokens, before.pico + used.pico, before.calls, now_s)

    def release(self, call_id: str) -> None:
        """The call used nothing. Harmless after `settle`."""
        taken = self._taken.pop(call_id, None)
        if taken is not None:
            self._shift(taken.names, -taken.worst.tokens, -taken.worst.pico)

    def kept(self) -> bytes:
        """What was spent, to be restored at the next start."""
        totals = list(self._totals.recent(NAMES))
        newest_s = max((total.at_s for _, total in totals), default=0.0)
        return msgspec.msgpack.encode([entry for entry in totals if entry[1].at_s > newest_s - self._kept_s])

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        for name, total in reversed(msgspec.msgpack.decode(data, type=list[tuple[bytes, _Total]])):
            self._totals[name] = total

    def _conversation(self, names: Names, now_s: float) -> Spent:
        if not names.conversation:
            return _NOTHING
        total = self._so_far(names, now_s)
        return Spent(Amount(total.tokens, total.pico), self._under_way.get(names.conversation, Amount()), total.calls)

    def _so_far(self, names: Names, now_s: float) -> _Total:
        """What the conversation has spent; at its second call, what its first one did at most."""
        total = self._total(names.conversation, now_s)
        return total if total.calls else self._total(names.opening, now_s)

    def _spent(self, name: bytes, now_s: float) -> Spent:
        total = self._total(name, now_s)
        return Spent(Amount(total.tokens, total.pico), self._under_way.get(name, Amount()), total.calls)

    def _total(self, name: bytes, now_s: float) -> _Total:
        total = self._totals.get(name)
        return total if total is not None and now_s - total.at_s < self._kept_s else _Total()

    def _add(self, name: bytes, before: _Total, used: Amount, now_s: float) -> None:
        self._totals[name] = _Total(before.tokens + used.tokens, before.pico + used.pico, before.calls + 1, now_s)

    def _shift(self, names: Names, tokens: int, pico: int) -> None:
        for name in filter(None, (names.run, names.conversation)):
            before = self._under_way.get(name, Amount())
            after = Amount(before.tokens + tokens, before.pico + pico)
            if any(after):
                self._under_way[name] = after
            else:
                self._under_way.pop(name, None)

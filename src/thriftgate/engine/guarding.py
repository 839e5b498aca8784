"""The agent guard at work: what a call's conversation and run have spent, looked up before it is planned, taken when it goes
out, and settled with its entry."""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.agents.limits import Amount, Guard, GuardLimits
from thriftgate.core.agents.loops import LoopLimits
from thriftgate.core.levers.agent_guard import AgentGuard
from thriftgate.core.plan import Draft, Plan, Policy
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.worst import worst_of
from thriftgate.engine.call import Call
from thriftgate.engine.runs import Names, Runs
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import header

RUN_HEADER = b"thriftgate-run"
NEVER = 2**31  # messages


def least_rounds(limits: LoopLimits) -> int:
    """Rounds that the shortest loop takes; 0 where none is looked for."""
    rules = (limits.repeats, 2 * limits.cycles, limits.often, limits.stalled, limits.polls)
    return min((rounds for rounds in rules if rounds), default=0)


class Guarded(Struct, frozen=True):
    """Whose call it is, and what is known of that agent."""

    names: Names
    guard: Guard


class Guarding:
    """One per engine."""

    def __init__(self, runs: Runs, limits: GuardLimits, knowledge: Knowledge) -> None:
        self.runs = runs
        self._limits = limits
        self._knowledge = knowledge
        self._ceilings = limits.ceilings
        rounds = least_rounds(limits.loops) if limits.loops is not None else 0
        self._messages_least = 2 * rounds if rounds else NEVER

    def look(self, call: Call, request: Request, key: str, policy: Policy, now_s: float) -> Guarded | None:
        """What is known of the agent that calls; None where nothing is guarded. `request` is the client's own: what was
        shortened looks alike. Raises InputError for messages that cannot be read."""
        if AgentGuard.id not in policy.levers:
            return None
        _, start, end = request.members["messages"]
        family = self._knowledge.models[request.model].tokenizer
        turns = self._knowledge.parts.conversation(request.body, start, end, family).turns
        if not self._ceilings and len(turns) < self._messages_least:  # too few for any loop
            return None
        names = self.runs.names(request, turns, key, header(call.headers, RUN_HEADER), self._limits)
        try:
            return Guarded(names, self.runs.look(names, turns, self._limits, now_s))
        except Exception as error:  # noqa: BLE001  a loop that is not seen costs something; `take` still holds the ceilings
            log.error("agent not examined", error=type(error).__name__, at=where_raised(error))
            return Guarded(names, Guard(self._limits))

    def take(self, call_id: str, guarded: Guarded, plan: Plan, max_tokens: int, state: State) -> str:
        """Take what the planned call may use at most; why it may not go out, "" where it may."""
        if not self._ceilings:
            return ""
        worst = worst_of(Draft(plan.terms, max_tokens, plan.breakpoints), state)
        verdict = self.runs.reserve(call_id, guarded.names, worst, self._limits, state.now_s)
        return verdict.reason if verdict.action == "stop" else ""

    def booked(self, entry: Entry, now_s: float) -> None:
        """A call of our own was booked: one for itself, or on behalf of another."""
        if entry.parent:
            self.runs.besides(entry.parent, _used(entry), now_s)
        else:
            self.settled(entry, now_s)

    def settled(self, entry: Entry, now_s: float) -> None:
        """The call is over. One that is settled already stays so."""
        if entry.usage_source == "none":
            self.runs.release(entry.id)
            return
        self.runs.settle(entry.id, _used(entry), now_s)


def _used(entry: Entry) -> Amount:
    total = entry.usage.total
    return Amount(total.prompt + total.output, -entry.posted(UPSTREAM))

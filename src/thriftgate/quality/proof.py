"""Sampled calls run a second time on the other model, off the client's path: an audit of what the cheap one served, a shadow
of what it might have served.

Nothing here can hold a call up or change its answer. Each second call is booked as a cost of ours, within a budget a day,
and through the provider's batches where the gateway has a queue. Prompts and answers are kept nowhere unless the settings
name a file for them; what is kept is the verdict.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.batch.booking import OURS_ACCOUNT, OURS_ENDPOINT
from thriftgate.core.cost import day_of
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.request import parse_request
from thriftgate.core.routing.artefact import Artefact, split_arm
from thriftgate.core.routing.retarget import Unfit, retarget
from thriftgate.core.routing.signals import agrees, text_of
from thriftgate.core.routing.task import asked_text, in_tool_loop
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.engine.settle import Prepared
from thriftgate.engine.touch import Purpose
from thriftgate.ledger.entries import Entry
from thriftgate.logs import log, where_raised
from thriftgate.quality.exchanges import append_exchange, exchange
from thriftgate.quality.judges.llm import judge_body, read_verdict
from thriftgate.quality.rules import Llm
from thriftgate.quality.watch import Alarm, Tally, Verdict, Watch, by_task, tallies_in
from thriftgate.wire.assemble import Answer, read_answer

Kind = Literal["audit", "shadow"]
ACCOUNT, JUDGE_ACCOUNT = OURS_ACCOUNT, "proof.judge"
MEMORY = "proof"  # the name that it is kept under
IN_FLIGHT_MAX, QUEUED_MAX = 64, 2_000  # second calls at once, and those that wait for a batch: more are left out
QUESTION_CHARS = 12_000
_PREFERENCES: dict[tuple[str | None, str | None], Verdict] = {("A", "B"): "cheap better", ("B", "A"): "strong better"}


class Sampling(Struct, frozen=True):
    """What is sampled. `judge` is a model that compares two answers, "" for plain agreement; `store` a file that keeps
    both."""

    shadow: float = 0.0
    audit: float = 0.02
    day_pico: int = 0
    judge: str = ""
    store: str = ""


class _Second(NamedTuple):
    """The other call: its body, the arm it is for, and the artefact whose promise it bears on."""

    kind: Kind
    body: bytes
    arm: str
    artefact: Artefact


class _Kept(Struct):
    day: int
    spent_pico: int
    watches: dict[str, bytes]
    suspended: dict[str, str]
    pinned: dict[str, dict[str, str]]


Later = Callable[[Call], Awaitable[bytes | None]]
"""Has a call answered later, through batches: the answer's body, empty where none came of it. None where it was not taken:
then it is to be made now."""


class Proof:
    """One per gateway; the engine's witness. Alarms act on the engine's router at once and are told in the log."""

    def __init__(self, engine: Engine, sampling: Sampling, *, later: Later | None = None, salt: bytes = b"") -> None:
        self._engine = engine
        self._sampling = sampling
        self._later = later
        self._salt = salt
        self._watches = {
            artefact.id: Watch(artefact, judged=bool(sampling.judge)) for artefact in engine.router.table.artefacts
        }
        self._day = 0
        self._spent_pico = 0
        self._in_flight = 0

    @property
    def watches(self) -> dict[str, Watch]:
        return self._watches

    def wants(self, call: Call, prepared: Prepared) -> bool:
        self._came(prepared)
        most = IN_FLIGHT_MAX if self._later is None else QUEUED_MAX
        return self._kind(call, prepared) is not None and self._in_flight < most

    def _came(self, prepared: Prepared) -> None:
        """Each call of the clients' counts for the mix of tasks, sampled or not."""
        route = prepared.plan.route
        if route is None or prepared.parent:
            return
        asked = prepared.asked.model if prepared.asked is not None else prepared.request.model
        artefact = self._engine.router.artefact_for(asked)
        alarm = self._watches[artefact.id].came(route.task) if artefact is not None else None
        if alarm is not None:
            self._roll_back(alarm)

    def heard(self, call: Call, prepared: Prepared, entry: Entry, answer: Answer | None) -> None:
        kind = self._kind(call, prepared)
        if kind is None or answer is None or entry.outcome != "answered" or not self._within_budget(prepared):
            return
        try:
            second = self._second(kind, prepared)
        except Exception as error:  # noqa: BLE001  a witness must not raise
            log.error("no second call made", call=entry.id, error=type(error).__name__, at=where_raised(error))
            return
        if second is not None:
            self._in_flight += 1
            self._engine.tasks.spawn(self._run(call, prepared, answer, second))

    def kept(self) -> bytes:
        """What is worth keeping over a restart: verdicts, evidence, what was taken out of service."""
        router = self._engine.router
        watches = {name: watch.kept() for name, watch in self._watches.items()}
        return msgspec.msgpack.encode(_Kept(self._day, self._spent_pico, watches, router.suspended, router.pinned))

    def restore(self, data: bytes) -> None:
        """Go on from what `kept` gave. What was taken out of service stays so: a new artefact has a new id."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        self._day, self._spent_pico = kept.day, kept.spent_pico
        self._engine.router.suspended.update(kept.suspended)
        self._engine.router.pinned.update(kept.pinned)
        for name, evidence in kept.watches.items():
            if name not in self._watches:
                continue
            try:
                self._watches[name].restore(evidence)
            except (ValueError, msgspec.MsgspecError) as error:  # such as of a judge, where there is none now
                log.warning("audits so far cannot be taken up", artefact=name, error=str(error))

    def _kind(self, call: Call, prepared: Prepared) -> Kind | None:
        """Whether this call is sampled: by a digest of its id, so that the answer is the same before and after it."""
        route, state = prepared.plan.route, prepared.snapshot.state
        if route is None or call.parent or route.arm == "holdout" or not prepared.request.max_tokens or state.in_thread:
            return None
        if in_tool_loop(state.prefix.turns):
            return None
        kind: Kind = "audit" if route.choice is not None and route.choice.certificate else "shadow"
        if kind == "shadow" and (
            route.choice is not None or self._engine.router.artefact_for(prepared.request.model) is None
        ):
            return None
        share = self._sampling.audit if kind == "audit" else self._sampling.shadow
        drawn = int.from_bytes(sha256(self._salt + prepared.id.encode()).digest()[:8]) / 2**64
        return kind if drawn < share else None

    def _within_budget(self, prepared: Prepared) -> bool:
        day = day_of(self._engine.clock.now_s())
        if day != self._day:
            self._day, self._spent_pico = day, 0
        choice = prepared.plan.route.choice if prepared.plan.route is not None else None
        expected = max(prepared.plan.forecast.pico, choice.asked_pico if choice is not None else 0)
        if self._spent_pico + expected > self._sampling.day_pico:
            return False
        self._spent_pico += expected
        return True

    def _second(self, kind: Kind, prepared: Prepared) -> _Second | None:
        """The call on the other arm; None where it cannot be made."""
        router = self._engine.router
        if kind == "audit":
            choice = prepared.plan.route.choice if prepared.plan.route is not None else None
            artefact = router.certified(choice.certificate) if choice is not None else None
            if artefact is None or prepared.asked is None:
                return None
            return _Second(kind, _unstreamed(prepared.asked.body), artefact.strong, artefact)
        artefact = router.artefact_for(prepared.request.model)
        if artefact is None:
            return None
        model, effort = split_arm(artefact.cheap)
        state = prepared.snapshot.state
        fitted = retarget(
            prepared.request, state.prefix.turns, self._engine.knowledge.models[model], effort=effort, now_s=state.now_s
        )
        if isinstance(fitted, Unfit):
            return None
        return _Second(kind, _unstreamed(apply(prepared.request.body, fitted.edits)), artefact.cheap, artefact)

    async def _run(self, call: Call, prepared: Prepared, answer: Answer, second: _Second) -> None:
        try:
            body = await self._answered(call, prepared, second)
            other = read_answer(body) if body else None
            if other is not None:
                await self._judged(call, prepared, (answer, other), second)
        except ThriftgateError as error:
            log.warning("second call failed", call=prepared.id, kind=second.kind, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  nobody waits for it
            log.error("second call failed", call=prepared.id, error=type(error).__name__, at=where_raised(error))
        finally:
            self._in_flight -= 1

    async def _answered(self, call: Call, prepared: Prepared, second: _Second) -> bytes | None:
        asked = replace(call, body=second.body, unrouted=f"{second.kind} of {prepared.id}", parent=prepared.id)
        if self._later is not None:
            body = await self._later(asked)
            if body is not None:
                return body
        return await self._now(asked, prepared.key, ACCOUNT, f"{second.kind} of {prepared.id} on {second.arm}")

    async def _now(self, call: Call, key: str, account: str, reason: str) -> bytes | None:
        toucher = self._engine.toucher
        touched = await toucher.send(call, toucher.plan(call, key), Purpose(account, OURS_ENDPOINT, reason))
        self._spent_pico += touched.paid_pico if account == JUDGE_ACCOUNT else 0
        return touched.body if touched.entry.outcome == "answered" else None

    async def _judged(self, call: Call, prepared: Prepared, pair: tuple[Answer, Answer], second: _Second) -> None:
        """Compare, count, act."""
        cheap, strong = pair if second.kind == "audit" else (pair[1], pair[0])
        verdict = await self._verdict(call, prepared, cheap, strong)
        task = prepared.plan.route.task if prepared.plan.route is not None else ""
        if self._sampling.store:
            body = prepared.asked.body if prepared.asked is not None else prepared.request.body
            answers = {second.artefact.cheap: text_of(cheap.content), second.artefact.strong: text_of(strong.content)}
            now_s = self._engine.clock.now_s()
            append_exchange(self._sampling.store, exchange(prepared.id, task, body, answers, now_s))
        if second.kind == "audit":
            alarm = self._watches[second.artefact.id].see(task, verdict)
            if alarm is not None:
                self._roll_back(alarm)

    async def _verdict(self, call: Call, prepared: Prepared, cheap: Answer, strong: Answer) -> Verdict:
        if _same(cheap, strong):
            return "same"
        if not self._sampling.judge:
            return "different"
        question = asked_text(prepared.snapshot.state.prefix.turns)[:QUESTION_CHARS]
        one = await self._preferred(call, prepared, question, text_of(cheap.content), text_of(strong.content))
        two = await self._preferred(call, prepared, question, text_of(strong.content), text_of(cheap.content))
        return _PREFERENCES.get((one, two), "different")

    async def _preferred(self, call: Call, prepared: Prepared, question: str, a: str, b: str) -> str | None:
        """What the judge says of two answers, in this order."""
        model = self._sampling.judge
        body = judge_body(Llm(model=model), self._engine.knowledge.models[model], question, a, b)
        asked = replace(call, body=body, parent=prepared.id)
        reply = await self._now(asked, prepared.key, JUDGE_ACCOUNT, f"compares the answers to {prepared.id}")
        answer = read_answer(reply) if reply else None
        return read_verdict(text_of(answer.content)) if answer is not None else None

    def _roll_back(self, alarm: Alarm) -> None:
        """Out of service: the task, or all of it. The next call goes to the strong model."""
        router = self._engine.router
        if alarm.task:
            router.pinned.setdefault(alarm.artefact, {})[alarm.task] = alarm.evidence
        else:
            router.suspended[alarm.artefact] = alarm.evidence
        log.error("routing rolled back", artefact=alarm.artefact, task=alarm.task or "all", evidence=alarm.evidence)
        self._engine.keep_soon()


def rolled_back(data: bytes) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What `Proof.kept` says is out of service: artefacts, and tasks of them, each with the evidence. Raises msgspec's
    errors."""
    kept = msgspec.msgpack.decode(data, type=_Kept)
    return kept.suspended, kept.pinned


def audited(data: bytes) -> dict[str, Tally]:
    """The verdicts in what `Proof.kept` gave, by task. Raises msgspec's errors."""
    return by_task(map(tallies_in, msgspec.msgpack.decode(data, type=_Kept).watches.values()))


def verdicts(data: bytes) -> dict[str, Mapping[str, Tally]]:
    """What `Proof.kept` says of audited calls: by artefact and task, "" for all of its tasks. Raises msgspec's errors."""
    kept = msgspec.msgpack.decode(data, type=_Kept)
    return {artefact: tallies_in(evidence) for artefact, evidence in kept.watches.items()}


def _same(one: Answer, other: Answer) -> bool:
    """Whether two answers come to the same: their tool calls, else their text."""
    calls = [
        [(block.get("name"), block.get("input")) for block in answer.content if block.get("type") == "tool_use"]
        for answer in (one, other)
    ]
    if any(calls):
        return calls[0] == calls[1]
    return agrees(text_of(one.content), text_of(other.content))


def _unstreamed(body: bytes) -> bytes:
    request = parse_request(body, needs_max_tokens=False)
    return apply(body, [Edit(("stream",), None)]) if "stream" in request.members else body

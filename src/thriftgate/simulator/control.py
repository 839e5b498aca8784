"""The `/_sim/…` endpoints by which tests look behind the curtain. They are no part of the imitated API.

GET  /_sim/bill          every billed call and the total
GET  /_sim/bill/summary  the bill in figures: calls, total, calls in batches, their custom_ids and how many were billed twice
GET  /_sim/state         counts, clock, seed
GET  /_sim/clock         {"now": unix, "rfc3339": …};  POST {"set": rfc3339 | unix} or {"advance_s": n}
GET  /_sim/faults        the faults in force;          POST a table of fault names replaces them
GET  /_sim/batches       the rules new batches are processed by; POST a table of BatchRules names replaces them
GET  /_sim/accuracy      what is added to the chances of right answers, and the variety;
                         POST {"model": "claude-haiku-5-5", "shift": -0.3} (−1…1; 0 clears; if need be "task": "sentiment")
                         or {"variety": 0.2} (0…1) changes it from the next call on
POST /_sim/reset         forgets caches, batches, bill, limits and the request counts (not clock, faults, rules, accuracy)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from thriftgate.simulator.clock import SimClock, parse_moment, rfc3339
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.errors import invalid, not_found
from thriftgate.simulator.faults import Faults

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

PREFIX = "/_sim/"
T = TypeVar("T")


def control(simulator: Simulator, method: str, path: str, raw: bytes) -> dict[str, Any]:
    """The answer to a control request; ApiError 400 or 404 if it makes no sense."""
    answer = ANSWERS.get((method, path.removeprefix(PREFIX)))
    if answer is None:
        raise not_found(f"no such control endpoint: {method} {path}")
    return answer(simulator, raw)


def _bill(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return simulator.bill.document()


def _summary(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return simulator.bill.summary()


def _state(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return simulator.state()


def _reset(simulator: Simulator, _: bytes) -> dict[str, Any]:
    simulator.reset()
    return simulator.state()


def _clock(simulator: Simulator, _: bytes) -> dict[str, Any]:
    now = simulator.now()
    return {"now": now, "rfc3339": rfc3339(now)}


def _set_clock(simulator: Simulator, raw: bytes) -> dict[str, Any]:
    _move(simulator, _table(raw))
    return _clock(simulator, raw)


def _faults(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return dataclasses.asdict(simulator.faults)


def _set_faults(simulator: Simulator, raw: bytes) -> dict[str, Any]:
    simulator.faults = _parsed(Faults.parse, raw)
    return dataclasses.asdict(simulator.faults)


def _batches(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return dataclasses.asdict(simulator.batches.rules)


def _set_batches(simulator: Simulator, raw: bytes) -> dict[str, Any]:
    simulator.batches.rules = _parsed(BatchRules.parse, raw)
    return dataclasses.asdict(simulator.batches.rules)


def _accuracy(simulator: Simulator, _: bytes) -> dict[str, Any]:
    return simulator.accuracy.document()


def _set_accuracy(simulator: Simulator, raw: bytes) -> dict[str, Any]:
    simulator.batches.run_due(simulator.now())  # what should have been answered by now is answered as it was until now
    _parsed(simulator.accuracy.change, raw)
    return simulator.accuracy.document()


def _parsed(parse: Callable[[object], T], raw: bytes) -> T:
    try:
        return parse(_table(raw))
    except ValueError as problem:
        raise invalid(str(problem)) from None


def _table(raw: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError as problem:
        raise invalid(f"the body is no JSON: {problem}") from None
    if not isinstance(value, dict):
        raise invalid("the body must be a JSON object")
    return value


def _move(simulator: Simulator, order: dict[str, Any]) -> None:
    clock = simulator.config.clock
    if not isinstance(clock, SimClock):
        raise invalid("this simulator runs on a clock that cannot be set")
    problem = ""
    try:
        if set(order) == {"set"}:
            clock.set(parse_moment(order["set"]))
        elif set(order) == {"advance_s"}:
            clock.advance(float(order["advance_s"]))
        else:
            problem = 'send {"set": "2026-11-21T12:00:00Z"} or {"advance_s": 300}'
    except (ValueError, TypeError, OverflowError, OSError) as failure:
        problem = str(failure)
    if problem:
        raise invalid(problem)
    simulator.batches.run_due(simulator.now())


ANSWERS: dict[tuple[str, str], Callable[[Simulator, bytes], dict[str, Any]]] = {
    ("GET", "bill"): _bill,
    ("GET", "bill/summary"): _summary,
    ("GET", "state"): _state,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _set_faults,
    ("GET", "batches"): _batches,
    ("POST", "batches"): _set_batches,
    ("GET", "accuracy"): _accuracy,
    ("POST", "accuracy"): _set_accuracy,
    ("POST", "reset"): _reset,
}

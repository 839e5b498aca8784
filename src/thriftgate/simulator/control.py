"""The `/_sim/…` endpoints by which tests look behind the curtain. They are no part of the imitated API.

GET  /_sim/bill     every billed call and the total
GET  /_sim/state    counts, clock, seed
GET  /_sim/clock    {"now": unix, "rfc3339": …};  POST {"set": rfc3339 | unix} or {"advance_s": n}
GET  /_sim/faults   the faults in force;          POST a table of fault names replaces them
POST /_sim/reset    forgets caches, batches, bill, limits and the request count (not the clock)
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from thriftgate.simulator.clock import SimClock, parse_moment, rfc3339
from thriftgate.simulator.errors import invalid, not_found
from thriftgate.simulator.faults import Faults

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

PREFIX = "/_sim/"


def control(simulator: Simulator, method: str, path: str, raw: bytes) -> dict[str, Any]:
    """The answer to a control request; ApiError 400 or 404 if it makes no sense."""
    what = path.removeprefix(PREFIX)
    if method == "GET" and what == "bill":
        return simulator.bill.document()
    if method == "GET" and what == "state":
        return simulator.state()
    if method == "POST" and what == "reset":
        simulator.reset()
        return simulator.state()
    if what == "clock":
        if method == "POST":
            _move(simulator, _table(raw))
        now = simulator.now()
        return {"now": now, "rfc3339": rfc3339(now)}
    if what == "faults":
        if method == "POST":
            try:
                simulator.faults = Faults.parse(_table(raw))
            except ValueError as problem:
                raise invalid(str(problem)) from None
        return dataclasses.asdict(simulator.faults)
    raise not_found(f"no such control endpoint: {method} {path}")


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

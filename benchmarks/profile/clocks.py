"""Clocks around functions, put on from the outside: each counts the CPU time of its thread that was spent in a stage and not
in a stage within it. What the clocks themselves cost is measured and taken out again.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any, NamedTuple

from msgspec import Struct

COLLECTOR = "garbage collector"
_TRIALS = 20_000
_now = time.thread_time_ns


class Spent(Struct):
    """Of one stage on one thread: nanoseconds in it alone, how often it was entered, and how often stages within it were,
    plain and asynchronous apart."""

    own_ns: int = 0
    entered: int = 0
    entered_steps: int = 0
    within: int = 0
    within_steps: int = 0


class Cost(NamedTuple):
    """What one entry costs, nanoseconds: counted in the stage itself, and in the one around it."""

    inside: float
    outside: float


class _Thread(threading.local):
    """The stages that a thread is in: name, when entered, nanoseconds of stages within."""

    def __init__(self) -> None:
        self.stack: list[list[Any]] = []
        self.spent: dict[str, Spent] = {}


class Clocks:
    """One per process."""

    def __init__(self) -> None:
        self._thread = _Thread()
        self._all: dict[str, dict[str, Spent]] = {}
        gc.callbacks.append(self._collected)

    def spent(self) -> dict[str, dict[str, Spent]]:
        """By thread and stage, since the last `reset`."""
        return self._all

    def reset(self) -> None:
        for stages in self._all.values():
            stages.clear()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a clock around it."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def steps(*args: Any, **named: Any) -> Any:
                return await _Steps(self, stage, function(*args, **named))

            return steps

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            self.enter(stage)
            try:
                return function(*args, **named)
            finally:
                self.leave()

        return call

    def enter(self, stage: str) -> None:
        self._thread.stack.append([stage, _now(), 0, 0, 0])

    def leave(self, *, step: bool = False) -> None:
        ended = _now()
        thread = self._thread
        stage, began, inner, within, within_steps = thread.stack.pop()
        whole = ended - began
        if not thread.spent:
            self._all[threading.current_thread().name] = thread.spent
        found = thread.spent.get(stage)
        if found is None:
            found = thread.spent[stage] = Spent()
        found.own_ns += whole - inner
        found.within += within
        found.within_steps += within_steps
        if step:
            found.entered_steps += 1
        else:
            found.entered += 1
        if thread.stack:
            around = thread.stack[-1]
            around[2] += whole
            around[4 if step else 3] += 1

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self.enter(COLLECTOR)
        elif self._thread.stack and self._thread.stack[-1][0] == COLLECTOR:
            self.leave()


class _Steps:
    """A coroutine, each of its steps timed."""

    __slots__ = ("_clocks", "_coroutine", "_stage")

    def __init__(self, clocks: Clocks, stage: str, coroutine: Any) -> None:
        self._clocks, self._stage, self._coroutine = clocks, stage, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        clocks, stage, coroutine = self._clocks, self._stage, self._coroutine
        step, argument = coroutine.send, None
        while True:
            clocks.enter(stage)
            try:
                waits_for = step(argument)
            except StopIteration as done:
                return done.value
            finally:
                clocks.leave(step=True)
            try:
                argument, step = (yield waits_for), coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  handed on to the coroutine
                argument, step = error, coroutine.throw


class Place(NamedTuple):
    """A function, and where it stands: in a module, or a class. `plain` is what stands there."""

    owner: Any
    name: str
    plain: Any

    @property
    def function(self) -> Callable[..., Any]:
        found: Callable[..., Any] = self.plain.__func__ if isinstance(self.plain, staticmethod) else self.plain
        return found


def place_of(text: str) -> Place:
    """What `module:name` or `module:Class.name` names. Raises AttributeError where there is no such function."""
    module_name, _, dotted = text.partition(":")
    owner: Any = importlib.import_module(module_name)
    *path, name = dotted.split(".")
    for part in path:
        owner = getattr(owner, part)
    return Place(owner, name, inspect.getattr_static(owner, name))


def put_on(clocks: Clocks, stage: str, text: str) -> None:
    """Put a clock around a function, wherever it was imported to. Raises AttributeError where it is not there."""
    owner, name, plain = place = place_of(text)
    timed = clocks.timed(stage, place.function)
    setattr(owner, name, staticmethod(timed) if isinstance(plain, staticmethod) else timed)
    for module in list(sys.modules.values()) if isinstance(owner, ModuleType) else ():
        if getattr(module, "__dict__", {}).get(name) is place.function:
            setattr(module, name, timed)


def calibrated() -> tuple[Cost, Cost]:
    """What an entry costs: of a function, and of a step of a coroutine."""
    clocks = Clocks()
    gc.callbacks.pop()
    plain = clocks.timed("inner", _nothing)
    alone_ns = _per_call(_nothing)
    clocks.enter("outer")
    with_ns = _per_call(plain)
    clocks.leave()
    found = clocks._all[threading.current_thread().name]  # noqa: SLF001  its own test of itself
    inside = found["inner"].own_ns / found["inner"].entered
    whole = with_ns - alone_ns
    function = Cost(min(inside, whole), max(0.0, whole - inside))
    steps = clocks.timed("steps", _waits_not)
    bare_ns = _per_call(lambda: _run(_waits_not()))
    clocks.enter("outer")
    timed_ns = _per_call(lambda: _run(steps()))
    clocks.leave()
    inside = found["steps"].own_ns / found["steps"].entered_steps
    whole = timed_ns - bare_ns
    return function, Cost(min(inside, whole), max(0.0, whole - inside))


def _nothing() -> None:
    return None


async def _waits_not() -> None:
    return None


def _run(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return


def _per_call(work: Callable[[], None]) -> float:
    took = []
    for _ in range(3):
        began = _now()
        for _ in range(_TRIALS):
            work()
        took.append((_now() - began) / _TRIALS)
    return min(took)

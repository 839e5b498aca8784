"""The log: one JSON line an event, on stderr. Never prompt text, never a key (law 10).

An unexpected exception is logged by its type and the places it passed, not by its words and not with local variables:
those hold request bodies and credentials.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import structlog

FRAMES_MAX = 8
_TROUBLE_ONLY = ContextVar("trouble_only", default=False)
_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039  never written to


class _Stderr:
    """Writes to whatever stderr is at the time."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = msg


def _wanted(_logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if _TROUBLE_ONLY.get() and level in ("debug", "info"):
        raise structlog.DropEvent
    return event


def _with_bound(_logger: object, _level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    bound = _BOUND.get()
    return {**event, **bound} if bound else event


log = structlog.wrap_logger(
    _Stderr(),
    processors=[
        _wanted,
        _with_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
)


@contextmanager
def trouble_only() -> Iterator[None]:
    """Within it only warnings and errors are told: for commands that people watch, in this task and those it begins."""
    token = _TROUBLE_ONLY.set(True)
    try:
        yield
    finally:
        _TROUBLE_ONLY.reset(token)


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Within it every event has these fields, in this task and those it begins, so that one finds what belongs to a call."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def silence(*libraries: str) -> None:
    """Libraries that write to the standard logger say nothing any more: what they tell is not JSON, and may hold a URL with
    a secret in it. What goes wrong in them is told here by those who call them."""
    for name in libraries:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


def where_raised(error: BaseException) -> str:
    """The innermost places of a traceback, such as "engine.py:120 < app.py:54"; no values."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))

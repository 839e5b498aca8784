"""`python -m benchmarks.hostile [--only WORD] [--json]`: does the time that odd input takes grow with its length, no faster?

Each place that reads a client's text or a provider's answer is given each odd text (and each odd shape) in three lengths,
in a process of its own with 2 GiB of memory and a limit of time. A case fails whose CPU time grows faster than n^1.3, or
whose longest input takes more than 1.5 s, or that is stopped. Times below a tenth of that are taken for noise.
"""

from __future__ import annotations

import argparse
import platform
import selectors
import subprocess
import sys
from collections.abc import Iterable
from math import log
from time import monotonic
from typing import IO

import msgspec
from msgspec import Struct

from benchmarks.hostile.places import PLACES
from benchmarks.hostile.shapes import SHAPES
from benchmarks.hostile.texts import TEXTS
from benchmarks.hostile.worker import Asked, Told
from benchmarks.options import positive

GROWTH_MAX = 1.3
LONGEST_S = 1.5
NOISE_S = 0.05
PATIENCE_S = 20.0
LENGTHS = 1, 2, 4
GROWS = "grows"


class Judged(Struct, frozen=True):
    """A case: CPU milliseconds by length, the exponent of their growth (0: too quick to tell), and what is wrong with it."""

    place: str
    text: str
    ms: tuple[float, ...]
    exponent: float
    trouble: str


class Workers:
    """One process at a time; a case that takes too long ends it, and the next one begins another."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, asked: Asked) -> list[Told]:
        """The times that came: fewer than the lengths where the case was stopped."""
        worker = self._running or self._begin()
        told: list[Told] = []
        try:
            _pipe(worker.stdin).write(msgspec.json.encode(asked) + b"\n")
            _pipe(worker.stdin).flush()
            for _ in asked.sizes:
                line = _line(_pipe(worker.stdout), PATIENCE_S)
                if not line:
                    self.end()
                    break
                told.append(msgspec.json.decode(line, type=Told))
        except BrokenPipeError:
            self.end()
        return told

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.hostile.worker"]
        self._running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return self._running

    def end(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.communicate()  # closes the pipes
            self._running = None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the worker has no pipe")
    return pipe


def _line(pipe: IO[bytes], patience_s: float) -> bytes:
    """The next line; b"" where none comes in time, or the worker has ended."""
    data = b""
    until = monotonic() + patience_s
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not data.endswith(b"\n"):
            if not selector.select(max(0.0, until - monotonic())):
                return b""
            more = pipe.read(1)
            if not more:
                return b""
            data += more
    return data


def judged(asked: Asked, told: list[Told]) -> Judged:
    times = [one.cpu_s for one in told]
    exponent = 0.0
    if len(told) == len(asked.sizes) and times[-1] >= NOISE_S:
        exponent = min(
            log(times[-1] / max(times[at], 1e-6)) / log(asked.sizes[-1] / asked.sizes[at]) for at in range(len(times) - 1)
        )
    raised = next((one.error for one in told if one.error and not one.error.startswith("not made")), "")
    checks = (
        (len(told) < len(asked.sizes), f"stopped at {asked.sizes[min(len(told), len(asked.sizes) - 1)]:,}"),
        (raised in ("MemoryError", "RecursionError"), raised),
        (max(times, default=0.0) > LONGEST_S, "slow"),
        (exponent > GROWTH_MAX, GROWS),
    )
    trouble = next((what for holds, what in checks if holds), "")
    return Judged(asked.place, asked.text, tuple(round(1e3 * each, 2) for each in times), round(exponent, 2), trouble)


def cases(only: str, size: int) -> Iterable[Asked]:
    sizes = tuple(size * each // LENGTHS[-1] for each in LENGTHS)
    for place in PLACES:
        yield from (Asked(place, text, sizes) for text in TEXTS if only in f"{place}: {text}")
    yield from (Asked(shape, "", sizes) for shape in SHAPES if only in f"shape: {shape}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--size", type=positive, default=200_000, help="characters of the longest input")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--all", action="store_true", help="print the sound cases, too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    workers = Workers()
    found: list[Judged] = []
    begun = monotonic()
    try:
        for asked in cases(arguments.only, arguments.size):
            one = judged(asked, workers.ask(asked))
            if one.trouble == GROWS:  # the machine may have been busy elsewhere
                one = judged(asked, workers.ask(asked))
            found.append(one)
            if one.trouble or arguments.all:
                print(_told(one), flush=True)
    finally:
        workers.end()
    wrong = [one for one in found if one.trouble]
    print(f"{len(found):,} cases, {len(wrong)} in trouble, {monotonic() - begun:.0f} s; the worst growth of the others:")
    for one in sorted((one for one in found if not one.trouble), key=lambda one: -one.exponent)[:10]:
        print(_told(one))
    if arguments.json:
        told = {"size": arguments.size, "cases": len(found), "trouble": wrong, "growth_max": GROWTH_MAX}
        told |= {"longest_s": LONGEST_S, "python": platform.python_version()}
        print(msgspec.json.encode(told).decode())
    return 1 if wrong else 0


def _told(one: Judged) -> str:
    name = f"{one.place}: {one.text}" if one.text else f"shape: {one.place}"
    return f"{name[:74]:74} n^{one.exponent:<5} {'  '.join(f'{each:,.1f}' for each in one.ms):>28} ms  {one.trouble}"


if __name__ == "__main__":
    raise SystemExit(main())

"""What the driver starts: times the cases named on its standard input, one a line, and tells each time as it comes.

It lives within a limit of memory, so that a case that wants more fails instead of the machine.
"""

from __future__ import annotations

import gc
import resource
import sys
from time import process_time

import msgspec
from msgspec import Struct

from benchmarks.hostile.places import PLACES, Work
from benchmarks.hostile.shapes import SHAPES
from benchmarks.hostile.texts import TEXTS

MEMORY_BYTES = 2 * 1024**3
AGAIN_S = 0.02  # what took less is timed a second time: the first pays for what is loaded and compiled


class Asked(Struct, frozen=True):
    """`text` is "" for a shape."""

    place: str
    text: str
    sizes: tuple[int, ...]


class Told(Struct, frozen=True):
    """CPU seconds at one size, or what was raised."""

    size: int
    cpu_s: float
    error: str = ""


def readied(asked: Asked, size: int) -> Work:
    return PLACES[asked.place](TEXTS[asked.text](size)) if asked.text else SHAPES[asked.place](size)


def timed(asked: Asked, size: int) -> Told:
    """Raises nothing: what a place raises is told."""
    try:
        work = readied(asked, size)
    except (ValueError, UnicodeError, RecursionError) as error:  # no such input of that length
        return Told(size, 0.0, f"not made: {type(error).__name__}")
    best = 0.0
    for _ in range(2):
        begun = process_time()
        try:
            work()
        except Exception as error:  # noqa: BLE001  told, and judged by the driver
            return Told(size, process_time() - begun, type(error).__name__)
        took = process_time() - begun
        best = min(best or took, took)
        if took > AGAIN_S:
            break
    return Told(size, best)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    gc.freeze()  # what is loaded is never looked through
    for line in sys.stdin:
        asked = msgspec.json.decode(line, type=Asked)
        for size in asked.sizes:
            sys.stdout.write(msgspec.json.encode(timed(asked, size)).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

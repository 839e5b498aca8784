"""`python -m benchmarks.semantic [CSV…] [--seeds N] [--calls N] [--json]`: answers to similar questions, by what they are
allowed to get wrong.

Question sets: a help desk's, made here by templates with known truth and hard near misses (`questions.py`), and files with
the columns `text` and `category` (banking77: 77 intents; two questions of one intent are taken to have one answer). Each
stream is a seeded order of all its questions, none twice: the very same call is another tier's matter. All begins with an
empty store. A run is in breach where more than the bound of the answers that it gave were wrong: of the answers, which is
stricter than of the calls.
Beside it a fixed threshold on the same vectors, without slots, as most stores have it.
"""

from __future__ import annotations

import argparse
import csv
import platform
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.cache.report import align
from benchmarks.options import positive
from benchmarks.semantic.play import Played, Question, play
from benchmarks.semantic.questions import Line, made
from benchmarks.semantic.rivals import THRESHOLDS, Fixed, play_fixed
from thriftgate import __version__
from thriftgate.core.semantic.lexical import LexicalIndex, features
from thriftgate.core.semantic.shelf import Index, Vector
from thriftgate.core.semantic.slots import slots_of
from thriftgate.core.semantic.stages import Terms
from thriftgate.encoding.dense import DenseIndex
from thriftgate.encoding.minilm import MiniLm, installed

BOUNDS = (0.01, 0.02, 0.05)
HELP_DESK = "help desk"
ITEMS_MAX = 10_000


class Task(NamedTuple):
    """One run. `bound` is what is allowed, or (`fixed`) the threshold."""

    questions: str
    encoder: str
    bound: float
    seed: int
    fixed: bool


class Cell(Struct, frozen=True):
    """All seeds of one set, encoder and bound. Shares of calls and of answers; `late_hits` are of the last third of a
    stream, once a store is filled."""

    questions: str
    encoder: str
    bound: float
    seeds: int
    calls: int
    hits: float
    late_hits: float
    error: float
    worst: float
    error_of_calls: float
    in_breach: int
    answered: int
    first: float
    alarms: int


class FixedCell(Struct, frozen=True):
    questions: str
    encoder: str
    threshold: float
    seeds: int
    hits: float
    error: float
    worst: float
    least: float


class World:
    """Question sets as vectors, made once and shared by all runs."""

    def __init__(self, sets: dict[str, list[Line]], encoders: Sequence[str], calls: int) -> None:
        self.calls = calls
        slots = {name: [slots_of(line.text) for line in lines] for name, lines in sets.items()}
        self.sets: dict[tuple[str, str], list[Question]] = {}
        for encoder in encoders:
            for name, lines in sets.items():
                vectors = _vectors(encoder, [line.text for line in lines])
                self.sets[name, encoder] = [
                    Question(line.text, line.label, vector, slot)
                    for line, vector, slot in zip(lines, vectors, slots[name], strict=True)
                ]

    def run(self, task: Task) -> Played | Fixed:
        stream = list(self.sets[task.questions, task.encoder])
        random.Random(task.seed).shuffle(stream)
        stream = stream[: self.calls]
        make = _index(task.encoder)
        if task.fixed:
            return play_fixed(stream, task.bound, make)
        return play(stream, Terms(task.bound, items_max=ITEMS_MAX), make, f"{task.seed}")


_SHARED: list[World] = []


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 where more than one run in twenty of a cell is in breach."""
    options = _options(arguments)
    encoders = [name for name in options.encoders.split(",") if name == "lexical" or installed()]
    sets = {path.parent.name if path.is_file() else path.name: _read(path) for path in options.csv}
    if options.made:
        sets[HELP_DESK] = made(options.made, seed=0)
    _SHARED[:] = [World(sets, encoders, options.calls)]
    rivals, bounds = range(min(5, options.seeds)), options.bounds
    tasks = [
        Task(*place, bound, seed, False) for place in _SHARED[0].sets for bound in bounds for seed in range(options.seeds)
    ]
    tasks += [Task(*place, bound, seed, True) for place in _SHARED[0].sets for bound in THRESHOLDS for seed in rivals]
    found: dict[Task, Played | Fixed] = {}
    for task, came in _run(tasks, options.processes):
        found[task] = came
        if isinstance(came, Played):
            error = came.wrong / came.served if came.served else 0.0
            say(f"{task}: hits {came.served / came.calls:.3f}, error {error:.4f}", err=True)
    cells, fixed = _cells(found), _fixed_cells(found)
    say(_table(cells))
    say(_fixed_table(fixed))
    if options.json:
        versions = {"thriftgate": __version__, "python": platform.python_version(), "machine": platform.machine()}
        told = {"cells": [asdict(one) for one in cells], "fixed": [asdict(one) for one in fixed], "versions": versions}
        say(msgspec.json.encode(told).decode())
    return int(any(one.in_breach > 0.05 * one.seeds for one in cells))


def say(text: str, *, err: bool = False) -> None:
    (sys.stderr if err else sys.stdout).write(text + "\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.semantic", description=__doc__)
    parser.add_argument("csv", nargs="*", type=Path, help="files, or folders of them, with the columns text and category")
    parser.add_argument("--seeds", type=positive, default=30)
    parser.add_argument("--calls", type=positive, default=13_000, help="of a stream at most")
    parser.add_argument("--made", type=int, default=12_000, help="questions of the help desk; 0 leaves it out")
    parser.add_argument("--encoders", default="lexical,minilm", help="minilm is skipped where it is not installed")
    parser.add_argument("--bounds", type=lambda text: [float(one) for one in text.split(",")], default=list(BOUNDS))
    parser.add_argument("--processes", type=positive, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _read(path: Path) -> list[Line]:
    found: dict[str, Line] = {}
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        with file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                found.setdefault(row["text"], Line(row["text"], row["category"]))
    return list(found.values())


def _vectors(encoder: str, texts: list[str]) -> Sequence[Vector]:
    if encoder == "lexical":
        return [features(text) for text in texts]
    return MiniLm().encode(texts)


def _index(encoder: str) -> Callable[[], Index]:
    return LexicalIndex if encoder == "lexical" else lambda: DenseIndex(384)


def _run(tasks: list[Task], processes: int) -> Iterator[tuple[Task, Played | Fixed]]:
    if processes == 1:
        yield from ((task, _SHARED[0].run(task)) for task in tasks)
        return
    with get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(_one, tasks)


def _one(task: Task) -> tuple[Task, Played | Fixed]:
    return task, _SHARED[0].run(task)


def _cells(found: dict[Task, Played | Fixed]) -> list[Cell]:
    cells = []
    for place in dict.fromkeys((task.questions, task.encoder, task.bound) for task in found if not task.fixed):
        runs = [came for task, came in found.items() if task[:3] == place and isinstance(came, Played)]
        errors = [run.wrong / run.served if run.served else 0.0 for run in runs]
        served = sum(run.served for run in runs)
        cells.append(
            Cell(
                *place,
                seeds=len(runs),
                calls=runs[0].calls,
                hits=mean(run.served / run.calls for run in runs),
                late_hits=mean(run.served_after / run.calls_after for run in runs),
                error=sum(run.wrong for run in runs) / served if served else 0.0,
                worst=max(errors),
                error_of_calls=mean(run.wrong / run.calls for run in runs),
                in_breach=sum(error > place[2] for error in errors),
                answered=sum(run.served > 0 for run in runs),
                first=mean([run.first for run in runs if run.served] or [0]),
                alarms=sum(run.alarms for run in runs),
            )
        )
    return sorted(cells, key=lambda one: (one.questions, one.encoder, one.bound))


def _fixed_cells(found: dict[Task, Played | Fixed]) -> list[FixedCell]:
    cells = []
    for place in dict.fromkeys((task.questions, task.encoder, task.bound) for task in found if task.fixed):
        runs = [came for task, came in found.items() if task.fixed and task[:3] == place]
        errors = [run.wrong / run.served if run.served else 0.0 for run in runs]
        hits = mean(run.served / run.calls for run in runs)
        error = sum(run.wrong for run in runs) / max(1, sum(run.served for run in runs))
        cells.append(FixedCell(*place, len(runs), hits, error, max(errors), min(errors)))
    return sorted(cells, key=lambda one: (one.questions, one.encoder, one.threshold))


def _table(cells: Sequence[Cell]) -> str:
    head = "questions|encoder|bound|hits|late hits|error|worst run|in breach|of calls|runs that answer|from call|alarms"
    rows = [head.split("|")]
    rows += [
        [
            one.questions,
            one.encoder,
            f"{one.bound:.0%}",
            f"{one.hits:.1%}",
            f"{one.late_hits:.1%}",
            f"{one.error:.2%}",
            f"{one.worst:.2%}",
            f"{one.in_breach} of {one.seeds}",
            f"{one.error_of_calls:.2%}",
            f"{one.answered} of {one.seeds}",
            f"{one.first:,.0f}",
            f"{one.alarms}",
        ]
        for one in cells
    ]
    return align(rows, left=2)


def _fixed_table(cells: Sequence[FixedCell]) -> str:
    rows = [["questions", "encoder", "fixed threshold", "hits", "error", "best run", "worst run"]]
    rows += [
        [
            one.questions,
            one.encoder,
            f"{one.threshold:g}",
            f"{one.hits:.1%}",
            f"{one.error:.2%}",
            f"{one.least:.2%}",
            f"{one.worst:.2%}",
        ]
        for one in cells
    ]
    return align(rows, left=2)


if __name__ == "__main__":
    sys.exit(main())

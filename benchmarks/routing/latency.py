"""What a decision costs on the hot path: features and score of one request, loading an artefact, the first import; and
what a calibration takes.

Times of a request are CPU time of the thread, so that other work on the machine does not count; import and load are wall
time, the best of a few.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, thread_time_ns
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from thriftgate.core.routing.features import Surroundings, features_of
from thriftgate.core.routing.score import Scorer
from thriftgate.quality.calibrate import calibrate
from thriftgate.quality.families import Wish
from thriftgate.quality.fitting import fit
from thriftgate.quality.labels import Labelled, Outcome
from thriftgate.quality.traffic_file import read_traffic

TASKS, CHARS = 200, (300, 3_000, 30_000)
EXAMPLES, REQUESTS = 1_000, 400
LABELS, LINES, SHORT = 500, 50_000, 300
ROUNDS, LOADS = 5, 5
MIDDLE = 3_000
_MODULES = "thriftgate.core.routing.features, thriftgate.core.routing.score, thriftgate.core.routing.confidence"


class Timed(Struct, frozen=True):
    """Requests of one length, in milliseconds: features and score together."""

    chars: int
    requests: int
    p50_ms: float
    p99_ms: float
    score_p50_ms: float


class Figures(Struct, frozen=True):
    """All lengths; and the artefact, fitted on `examples` of 3,000 characters: its size, its weights, its loading. A
    calibration on 500 examples and so many calls that nobody graded, made twice: its time, and whether both are the same."""

    timed: tuple[Timed, ...]
    tasks: int
    examples: int
    artefact_bytes: int
    weights: int
    load_ms: float
    import_ms: float
    calibrate_s: float
    same: bool


def measure(
    *, seed: int = 1, examples: int = EXAMPLES, requests: int = REQUESTS, rounds: int = ROUNDS, lines: int = LINES
) -> Figures:
    """On made prompts, whose words are as rare as those of a language."""
    draw = random.Random(seed)
    scorer = fit([_example(at, draw) for at in range(examples)], "cheap", "strong", seed=seed)
    raw = msgspec.json.encode(scorer)
    return Figures(
        tuple(_timed(scorer, chars, requests, rounds, draw) for chars in CHARS),
        len(scorer.heads[0].tasks),
        examples,
        len(raw),
        sum(len(one.words) for one in scorer.heads),
        min(_load_ms(raw) for _ in range(LOADS)),
        min(_import_ms() for _ in range(LOADS)),
        *_calibrated(min(LABELS, examples), lines, draw),
    )


def _calibrated(labels: int, lines: int, draw: random.Random) -> tuple[float, bool]:
    """Seconds of the faster of two, traffic read from its file both times, and whether they came to the same."""
    graded = [_example(at, draw) for at in range(labels)]
    found, took = [], []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.jsonl"
        with path.open("wb") as out:
            for at in range(lines):
                out.write(msgspec.json.encode({"text": _prompt(SHORT, draw), "task": f"task-{at % TASKS}"}) + b"\n")
        for _ in range(2):
            began = perf_counter()
            wish = Wish("strong", ("cheap",), target=0.9)
            traffic = read_traffic(path)
            found.append(calibrate(graded, wish, made_s=0.0, price_ratios={"cheap": 0.1}, traffic=traffic))
            took.append(perf_counter() - began)
    return min(took), found[0] == found[1]


def _example(at: int, draw: random.Random) -> Labelled:
    hard = draw.random()
    outcomes = {"cheap": Outcome(float(draw.random() > hard)), "strong": Outcome(float(draw.random() > hard / 2))}
    return Labelled(str(at), _prompt(MIDDLE, draw), Surroundings(task=f"task-{at % TASKS}"), outcomes)


def _prompt(chars: int, draw: random.Random) -> str:
    """Words by Zipf's law out of 20,000, some numerals, sentences."""
    words: list[str] = []
    size = 0
    while size < chars:
        rank = int(20_000 ** draw.random())
        word = (
            f"{rank}" if rank % 17 == 0 else "".join("aeioustrnlmdkp"[(rank * step) % 14] for step in range(1, 3 + rank % 8))
        )
        words.append(f"{word}." if draw.random() < 0.07 else word)
        size += len(words[-1]) + 1
    return " ".join(words)[:chars]


def _timed(scorer: Scorer, chars: int, requests: int, rounds: int, draw: random.Random) -> Timed:
    asked = [(_prompt(chars, draw), Surroundings(task=f"task-{at % TASKS}", prompt_tokens=chars)) for at in range(requests)]
    whole, scoring = [], []
    for _ in range(rounds):
        for text, around in asked:
            began = thread_time_ns()
            features = features_of(text, around)
            between = thread_time_ns()
            scorer.score(features)
            ended = thread_time_ns()
            whole.append(ended - began)
            scoring.append(ended - between)
    whole.sort()
    scoring.sort()
    p50, p99 = (whole[int(len(whole) * share)] / 1e6 for share in (0.5, 0.99))
    return Timed(chars, len(whole), p50, p99, scoring[len(scoring) // 2] / 1e6)


def _load_ms(raw: bytes) -> float:
    began = perf_counter()
    msgspec.json.decode(raw, type=Scorer)
    return (perf_counter() - began) * 1e3


def _import_ms() -> float:
    """In a new process, what it takes beyond the interpreter's own start."""
    code = f"import time\nbegan = time.perf_counter()\nimport {_MODULES}\nprint((time.perf_counter() - began) * 1e3)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def goals(figures: Figures) -> list[Goal]:
    """L1."""
    one = next(one for one in figures.timed if one.chars == MIDDLE)
    return [
        Goal("L1: features and score at 3,000 characters, p50, ms", 0.25, True, False, one.p50_ms),
        Goal("L1: features and score at 3,000 characters, p99, ms", 1.0, True, True, one.p99_ms),
        Goal("L1: features and score at 3,000 characters, p99, ms", 0.5, True, False, one.p99_ms),
        Goal("L1: cold import, ms", 150.0, True, True, figures.import_ms),
        Goal("L1: load of an artefact, ms", 100.0, True, True, figures.load_ms),
        Goal("L2: calibration, 500 examples and 50,000 lines, s", 30.0, True, True, figures.calibrate_s),
        Goal("L2: calibration, 500 examples and 50,000 lines, s", 10.0, True, False, figures.calibrate_s),
        Goal("L2: calibrations that differ under one seed", 0.0, True, True, float(not figures.same)),
    ]


def table(figures: Figures) -> str:
    """For people."""
    rows = [[f"a request, {figures.tasks} tasks; CPU ms", "requests", "p50", "p99", "score p50"]]
    for one in figures.timed:
        rows.append([f"{one.chars:,} characters", f"{one.requests:,}", f"{one.p50_ms:.3f}", f"{one.p99_ms:.3f}"])
        rows[-1] += [f"{one.score_p50_ms:.3f}"]
    told = f"artefact of {figures.examples:,} examples: {figures.artefact_bytes / 1e6:.2f} MB, {figures.weights:,} weights"
    return (
        f"{align(rows)}\n\n{told}, loaded in {figures.load_ms:.1f} ms; cold import {figures.import_ms:.0f} ms; "
        f"a calibration {figures.calibrate_s:.1f} s"
    )


def document(figures: Figures) -> dict[str, Any]:
    """For machines."""
    return asdict(figures) | {"timed": [asdict(one) for one in figures.timed]}

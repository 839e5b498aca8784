"""Read graded examples, for `calibrate`: results of `eval run`, or labels of people's own.

results of an evaluation (JSONL), see `quality/results.py`
{"id": "q1", "text": "…", "task": "…", "outcomes": {"claude-haiku-5-5": {"quality": 1}, "claude-opus-5-5": …}}
prompt,task,claude-haiku-5-5,claude-opus-5-5                       a table: a column for each arm, of qualities 0 to 1
…,cost_usd:claude-haiku-5-5,latency_ms:…,output_tokens:…           and what else is known of it
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.labels import Labelled, Outcome
from thriftgate.quality.results import Judged, Line, read_results
from thriftgate.quality.rows import Row, Rows, check_unique, read_rows

_TABLES = (".csv", ".tsv")
_OWN = ("id", "prompt", "task", "cluster")
_KNOWN_OF_ARM = ("cost_usd", "latency_ms", "output_tokens")
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "right": 1.0, "wrong": 0.0}


def read_labelled(path: Path) -> list[Labelled]:
    """All examples, in order. An outcome that could not be judged is left out, and an example without any. Raises InputError
    that names the line of what is wrong; whether there are enough, and of both kinds, is for whoever uses them."""
    lines = _read_table(path) if path.suffix.lower() in _TABLES else read_results(path)
    examples = [labelled(line) for line in lines]
    graded = [one for one in examples if one.outcomes]
    if not graded:
        raise InputError(f"{path}: none of its {len(lines):,} lines has an outcome with a quality")
    return graded


def labelled(line: Line) -> Labelled:
    """A line of results as an example. Of an arm that answered more than once it has the first grade, as it has the first
    signals."""
    outcomes = {
        arm: _outcome(one, quality) for arm, one in line.outcomes.items() if (quality := one.first_quality) is not None
    }
    around = line.around if line.around.task or not line.task else replace(line.around, task=line.task)
    return Labelled(line.id, line.text, around, outcomes, line.cluster)


def _outcome(one: Judged, quality: float) -> Outcome:
    return Outcome(quality, one.pico, one.latency_ms, one.output_tokens, one.signals, one.signals_pico)


def _read_table(path: Path) -> list[Line]:
    rows = read_rows(path, "examples")
    arms = _arms(rows)
    lines: list[Line] = []
    places: dict[str, int] = {}
    for row in rows.rows:
        try:
            line = _line(row, arms)
            check_unique(places, line.id, row.number)
        except InputError as error:
            raise InputError(f"{rows.at(row.number)}: {error}") from None
        places[line.id] = row.number
        lines.append(line)
    return lines


def _arms(rows: Rows) -> Sequence[str]:
    """The columns that are arms. Raises InputError where there is none, or a figure of an arm that has no column."""
    if "prompt" not in rows.columns:
        raise InputError(f"{rows.path}: needs a column prompt; it has {', '.join(rows.columns)}")
    arms = [name for name in rows.columns if name not in _OWN and name.partition(":")[0] not in _KNOWN_OF_ARM]
    if not arms:
        raise InputError(f"{rows.path}: needs a column of qualities (0 to 1) for each arm, such as claude-haiku-5-5")
    for name in rows.columns:
        figure, colon, arm = name.partition(":")
        if figure in _KNOWN_OF_ARM and (not colon or arm not in arms):
            raise InputError(f"{rows.path}: the column {name!r} belongs to no arm; write it as {figure}:{arms[0]}")
    return arms


def _line(row: Row, arms: Sequence[str]) -> Line:
    cells: Mapping[str, str] = row.values
    if "prompt" not in cells:
        raise InputError("prompt: missing")
    outcomes = {arm: _judged(cells, arm) for arm in arms if arm in cells}
    if not outcomes:
        raise InputError(f"no quality: at least one of {', '.join(arms)} must have one")
    task = cells.get("task", "")
    return Line(
        cells.get("id", f"row-{row.number}"),
        cells["prompt"],
        outcomes,
        task=task,
        around=Surroundings(task=task),
        cluster=cells.get("cluster", ""),
    )


def _judged(cells: Mapping[str, str], arm: str) -> Judged:
    text = cells[arm].strip().lower()
    quality = _WORDS[text] if text in _WORDS else _number(text, arm)
    if not 0 <= quality <= 1:
        raise InputError(f"{arm}: a quality is from 0 to 1, not {cells[arm]!r}")
    figures: dict[str, Any] = {"cost_usd": cells.get(f"cost_usd:{arm}", "0")}
    if pico_from_usd(figures["cost_usd"]) < 0:
        raise InputError(f"cost_usd:{arm}: must not be negative")
    for name in ("latency_ms", "output_tokens"):
        value = _number(cells.get(f"{name}:{arm}", "0"), f"{name}:{arm}")
        if value < 0:
            raise InputError(f"{name}:{arm}: must not be negative")
        figures[name] = round(value)
    return Judged(quality, **figures)


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not math.isfinite(value):
        raise InputError(f"{column}: {text!r} is no number")
    return value

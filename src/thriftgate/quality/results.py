"""The results of an evaluation: a file with one line an item, which `eval report`, `eval compare` and `calibrate` read.

    {"id": "t1", "task": "sums", "text": "2+2?", "around": {…}, "outcomes": {"claude-haiku-4-5": {"quality": 1.0,
     "cost_usd": "0.000021", "paid_usd": "0.0000105", "latency_ms": 0, "output_tokens": 4, "signals": {…}, "mode": "batch"}}}

`cost_usd` is what the call costs by itself, so that arms compare whichever way they were asked; `paid_usd` what was paid for
it here, in a batch about half; `signals_cost_usd` is what the signals cost that take further calls: a verifier's, repeats.
`latency_ms` is 0 where it is not known: batches tell none. `quality` null is an answer that could not be judged; `reason`
says why.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.rows import check_unique, read_rows


class Judged(Struct, frozen=True, omit_defaults=True):
    """How one arm did on one item, over its `repeats` the mean. `signals` are those of its first answer alone, `first` the
    grade of that, left out where it is the only one. `judge` is the kind of its judge, `verdicts` what an LLM judge said of
    it (shown first, then shown second)."""

    quality: float | None
    cost_usd: str = "0"
    paid_usd: str = "0"
    judge_usd: str = "0"
    latency_ms: int = 0
    output_tokens: int = 0
    signals: Mapping[str, float] = {}
    mode: str = "standard"
    judge: str = ""
    reason: str = ""
    repeats: int = 1
    verdicts: tuple[tuple[str, str], ...] = ()
    signals_cost_usd: str = "0"
    first: float | UnsetType | None = UNSET

    @property
    def pico(self) -> int:
        """`cost_usd` in pico-USD."""
        return pico_from_usd(self.cost_usd)

    @property
    def paid_pico(self) -> int:
        return pico_from_usd(self.paid_usd)

    @property
    def judge_pico(self) -> int:
        """What judging it cost (pico-USD)."""
        return pico_from_usd(self.judge_usd)

    @property
    def signals_pico(self) -> int:
        """`signals_cost_usd` in pico-USD."""
        return pico_from_usd(self.signals_cost_usd)

    @property
    def first_quality(self) -> float | None:
        """The grade of the first answer."""
        return self.quality if isinstance(self.first, UnsetType) else self.first


class Line(Struct, frozen=True, omit_defaults=True):
    """One item. `human` are people's own grades, by arm."""

    id: str
    text: str = ""
    outcomes: Mapping[str, Judged] = {}
    task: str = ""
    around: Surroundings = Surroundings()
    cluster: str = ""
    weight: float = 1.0
    human: Mapping[str, float] = {}


def check_out(path: Path, items: Path) -> None:
    """Raises InputError where results must not be written to `path`: it is the set itself, or holds something else."""
    if path.resolve() == items.resolve():
        raise InputError(f"--out is the set itself: {path}")
    if path.is_dir():
        raise InputError(f"--out {path} is a folder: name a file in it")
    if path.exists() and path.stat().st_size:
        try:
            read_results(path)
        except InputError:
            raise InputError(f"{path} exists and holds no results of an evaluation: name another --out") from None


def write_results(path: Path, lines: Sequence[Line]) -> None:
    """Write all lines, in place of what was there. Raises InputError where that cannot be."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        os.replace(fresh, path)  # noqa: PTH105  the one that is atomic on every system
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def read_results(path: Path) -> list[Line]:
    """All lines. Raises InputError that names the line of what is wrong."""
    rows = read_rows(path, "results")
    if rows.columns:
        raise InputError(f"{path} is a table; results of an evaluation are JSONL, one item a line")
    lines: list[Line] = []
    places: dict[str, int] = {}
    for row in rows.rows:
        try:
            line = msgspec.convert(row.values, Line)
            _check(line)
            check_unique(places, line.id, row.number)
        except (msgspec.ValidationError, InputError) as error:
            raise InputError(f"{rows.at(row.number)}: {error}") from None
        places[line.id] = row.number
        lines.append(line)
    return lines


def arms_in(lines: Sequence[Line]) -> list[str]:
    """The arms of some results, in the order in which they first stand there."""
    return list(dict.fromkeys(arm for line in lines for arm in line.outcomes))


def _check(line: Line) -> None:
    if not line.outcomes:
        raise InputError("outcomes: missing; a line of results has the outcome of at least one arm")
    for arm, one in line.outcomes.items():
        for name, quality in (("quality", one.quality), ("first", one.first_quality)):
            if quality is not None and not 0 <= quality <= 1:
                raise InputError(f"outcomes.{arm}.{name}: must be from 0 to 1, not {quality}")
        for name in ("pico", "paid_pico", "judge_pico", "signals_pico"):
            if getattr(one, name) < 0:
                raise InputError(f"outcomes.{arm}: an amount of money is negative")

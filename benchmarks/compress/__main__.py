"""`python -m benchmarks.compress DATA... [--json]`: tokens saved by lever and source, round trips, and MB/s on one core.

DATA are folders or files: agent traces (`.jsonl.gz` with `input` and `session_id`), request bodies and text files. Tokens
are counted by ctok (Python 3.12), else estimated; the first line says which. Made-up texts join as sources `made.…`.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import msgspec

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.compress.corpus import Message, from_paths, made_up
from benchmarks.compress.measure import Figures, Tokens, levers, measure
from thriftgate.core.models import Capabilities
from thriftgate.core.tokens import Family
from thriftgate.counting import best_counter

MB_S_LEAST = 20.0
_HOT = {"compress.json": "made.", "compress.text": ""}  # sources by how their names begin
_LIBRARIES = ("html-to-markdown", "toon-format", "ctok", "msgspec")


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect, rewrite, count, print, judge."""
    asked = _parse(arguments)
    if find_spec("html_to_markdown") is None or find_spec("toon_format") is None:
        print("this benchmark needs html-to-markdown and toon-format: install thriftgate[context]", file=sys.stderr)
        return 2
    messages = [*from_paths(asked.data), *made_up(random.Random(asked.seed), asked.made)]
    if not messages:
        print("no text found in these paths", file=sys.stderr)
        return 2
    counter = best_counter()
    print(f"tokens by {counter.method}, family {asked.family}; {len(messages)} messages")
    figures = _measured(messages, Tokens(counter, asked.family), asked.family)
    goals = _goals(figures)
    print(f"{_table(figures)}\n\n{goals_table(goals)}")
    document: dict[str, object] | None = None
    if asked.json:
        versions = machine() | {name: metadata.version(name) for name in _LIBRARIES if find_spec(name.replace("-", "_"))}
        document = {"benchmark": "compress", "seed": asked.seed, "versions": versions, "tokens": counter.method}
        rows = [
            msgspec.to_builtins(one) | {"saved_touched": one.saved_touched, "saved_all": one.saved_all} for one in figures
        ]
        document |= {"family": asked.family, "figures": rows}
    return conclude(goals, document)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compress", description=__doc__)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--made", type=int, default=30, help="made-up messages of each kind")
    parser.add_argument("--family", choices=("claude3", "claude47"), default="claude47")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _measured(messages: Sequence[Message], tokens: Tokens, family: Family) -> list[Figures]:
    capability = Capabilities(id="any", source="", checked="", tokenizer=family)
    sources: dict[str, list[Message]] = {}
    for message in messages:
        sources.setdefault(message.source, []).append(message)
    return [measure(lever, source, group, tokens, capability) for lever in levers() for source, group in sources.items()]


def _goals(figures: Sequence[Figures]) -> list[Goal]:
    lost = sum(one.lost or 0 for one in figures)
    unsettled = sum(one.unsettled for one in figures)
    dearer = sum(one.after > one.before for one in figures)
    goals = [
        Goal("texts that do not come back", 0, at_most=True, must=True, value=float(lost)),
        Goal("messages that a second rewrite changes", 0, at_most=True, must=True, value=float(unsettled)),
        Goal("sources that cost more afterwards", 0, at_most=True, must=True, value=float(dearer)),
    ]
    for lever, begins in _HOT.items():
        rows = [one for one in figures if one.lever == lever and one.source.startswith(begins)]
        if begins:  # where there is something to do
            rows = [one for one in rows if one.touched]
        seconds = sum(one.mb / one.mb_s for one in rows if one.mb_s)
        speed = sum(one.mb for one in rows) / seconds if seconds else None
        goals.append(Goal(f"{lever}, MB/s", MB_S_LEAST, at_most=False, must=False, value=speed))
    return goals


def _table(figures: Sequence[Figures]) -> str:
    """A line for each lever and source of which it touched anything; the others under the lever in one line."""
    rows = [["lever", "source", "texts", "touched", "tokens", "before", "after", "saved %", "of all %", "lost", "MB/s"]]
    rows += [_row(one) for one in figures if one.touched]
    for lever in dict.fromkeys(one.lever for one in figures):
        idle = [one for one in figures if one.lever == lever and not one.touched]
        mb, seconds = sum(one.mb for one in idle), sum(one.mb / one.mb_s for one in idle if one.mb_s)
        texts, tokens = sum(one.texts for one in idle), sum(one.tokens for one in idle)
        if idle:
            rows.append(
                [lever, "nothing found", f"{texts:,}", "0", f"{tokens:,}", "", "", "0.0", "0.0", "-", f"{mb / seconds:,.0f}"]
            )
    return align(rows, left=2)


def _row(one: Figures) -> list[str]:
    counts = [f"{each:,}" for each in (one.texts, one.touched, one.tokens, one.before, one.after)]
    lost = "-" if one.lost is None else str(one.lost)
    return [one.lever, one.source, *counts, f"{one.saved_touched:.1f}", f"{one.saved_all:.1f}", lost, f"{one.mb_s:,.0f}"]


if __name__ == "__main__":
    sys.exit(main())

"""Public per-query outcomes of a cheap and a strong model, read from a folder that is given as an argument.

Costs are from text lengths (four characters a token) at $1/$5 and $3/$15 per million tokens, or 1:5 where a data set tells
no lengths: the figures that the published studies use. They are no prices of today.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

CHARS_PER_TOKEN = 4
CLAUDE_PAIRS = (
    ("zeroeval-h35-s35", "claude-3-5-haiku-20241022", "claude-3-5-sonnet-20241022"),
    ("zeroeval-h3-s35", "claude-3-haiku-20240307", "claude-3-5-sonnet-20241022"),
    ("zeroeval-s3-o3", "claude-3-sonnet-20240229", "claude-3-opus-20240229"),
)


class DataSet(NamedTuple):
    """One pair of models on one set of prompts, row by row. `task` is the subject or the source of a prompt, all "" where a
    set has none. `cheap` and `strong` are 0 or 1; costs are in dollars; `cheap_chars` is the length of the cheap answer, 0
    where it is not told."""

    name: str
    text: Sequence[str]
    task: Sequence[str]
    cheap: Sequence[int]
    strong: Sequence[int]
    cheap_cost: Sequence[float]
    strong_cost: Sequence[float]
    cheap_chars: Sequence[int]

    def __len__(self) -> int:
        return len(self.text)


def data_sets(folder: Path) -> list[DataSet]:
    """All that the folder holds, in a fixed order. Raises FileNotFoundError where it holds none."""
    found = [*_routellm(folder / "routellm"), *_zeroeval(folder / "zeroeval_claude")]
    if not found:
        raise FileNotFoundError(f"no routing data in {folder}: expected routellm/*.parquet or zeroeval_claude/*.parquet")
    return found


def _rows(question: str) -> list[tuple[object, ...]]:
    found = duckdb.sql(question)
    assert found is not None  # it is for statements that give no rows
    return found.fetchall()


def _routellm(folder: Path) -> list[DataSet]:
    found = []
    for name, task in (("gsm8k", "''"), ("mmlu", "subject")):
        path = folder / f"{name}_mixtral_vs_gpt4.parquet"
        if not path.exists():
            continue
        lengths = "cheap_out_chars, strong_out_chars" if name == "gsm8k" else "0, 0"
        rows = _rows(f"select prompt, {task}, cheap, strong, {lengths} from '{path}' where not contaminated order by prompt")
        found.append(_set(name, rows, (1.0, 5.0), (5.0, 25.0)))
    return found


def _zeroeval(folder: Path) -> list[DataSet]:
    outcomes, prompts = folder / "outcomes.parquet", folder / "prompts.parquet"
    if not (outcomes.exists() and prompts.exists()):
        return []
    found = []
    for name, cheap, strong in CLAUDE_PAIRS:
        rows = _rows(
            f"select p.prompt, p.task, c.correct, s.correct, c.out_chars, s.out_chars from '{prompts}' p "
            f"join '{outcomes}' c on c.task = p.task and c.id = p.id and c.model = '{cheap}' "
            f"join '{outcomes}' s on s.task = p.task and s.id = p.id and s.model = '{strong}' order by p.task, p.id"
        )
        prices = ((1.0, 5.0), (3.0, 15.0)) if name != "zeroeval-s3-o3" else ((3.0, 15.0), (15.0, 75.0))
        found.append(_set(name, rows, *prices))
    return [one for one in found if len(one)]


def _set(name: str, rows: Sequence[tuple[object, ...]], cheap: tuple[float, float], strong: tuple[float, float]) -> DataSet:
    columns = list(zip(*rows, strict=True)) or [()] * 6
    texts = [str(text) for text in columns[0]]
    cheap_chars, strong_chars = ([int(str(n or 0)) for n in columns[at]] for at in (4, 5))
    return DataSet(
        name,
        texts,
        [str(task) for task in columns[1]],
        [int(str(n)) for n in columns[2]],
        [int(str(n)) for n in columns[3]],
        _costs(texts, cheap_chars, cheap),
        _costs(texts, strong_chars, strong),
        cheap_chars,
    )


def _costs(texts: Sequence[str], output_chars: Sequence[int], usd_per_mtok: tuple[float, float]) -> list[float]:
    inp, out = usd_per_mtok
    return [(len(text) * inp + chars * out) / CHARS_PER_TOKEN / 1e6 for text, chars in zip(texts, output_chars, strict=True)]

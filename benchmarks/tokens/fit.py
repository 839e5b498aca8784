"""Fit the weights of the estimator: `python -m benchmarks.tokens.fit DATA... --date D > weights.py` (Python 3.12, ctok).

Non-negative least squares on relative error, by coordinate descent, reweighted towards the median so that a few strange
texts do not bend the rest. Every other text is taken as JSON writes it. The margins of `upper` are set on files that were
left out of the fit; how it fares on kinds of text it never saw is what `python -m benchmarks.tokens` tells.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from pathlib import Path

from msgspec import Struct

from benchmarks.tokens.corpus import as_json, from_paths, made_up
from benchmarks.tokens.truth import FAMILIES, Counted, count_all
from thriftgate.core.tokens import Family
from thriftgate.core.tokens.text import pair_codes
from thriftgate.core.tokens.weights import Weights

COLUMNS = 256 + 128 + 1  # pair codes, bytes outside ASCII, one for the start
START = COLUMNS - 1
PRIOR_PAIR = 0.3
RIDGE = 0.02
ROUNDS = 5
SWEEPS = 25
TOKENS_LEAST = 12  # below this the relative error counts less
FOLDS = 4
NEIGHBOURS = 12  # segments of one file stand together: they go into one fold together
COVERED = 0.991
COVERED_FOREIGN = 0.985  # rare scripts are a quarter of the foreign texts here, and hardly a hundredth of real ones
MARGIN_ROOT = 1.5
MARGIN_LEAST = 3.0
MARGIN_SAMPLED = 0.4
WEIGHT_MAX = 127


class Row(Struct, frozen=True):
    """A text as the estimator sees it: how often each column occurs, its bytes outside ASCII, its true tokens."""

    source: str
    counts: dict[int, int]
    size: int
    foreign: float
    tokens: dict[Family, int]


def main() -> None:
    """Collect, count, fit, print the module."""
    arguments = _parse()
    rng = random.Random(arguments.seed)
    texts = [*from_paths(arguments.data, rng, arguments.files, arguments.segments), *made_up(rng, arguments.made)]
    counted = count_all(texts, arguments.processes)
    rows = _rows(counted)
    print(f"{len(rows)} texts of {len({row.source for row in rows})} sources", file=sys.stderr)
    fitted = {family: _fit_family(rows, family) for family in FAMILIES}
    print(_module(fitted, len(rows), arguments.date))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--date", required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--files", type=int, default=120, help="files taken from each path")
    parser.add_argument("--segments", type=int, default=3, help="segments cut from each file")
    parser.add_argument("--made", type=int, default=12, help="made-up texts of each kind")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def mean_error_without(counted: list[Counted], source: str, family: Family) -> float:
    """Mean relative error on a source, fitted to all the others."""
    rows = _rows(counted)
    beta = _solve([row for row in rows if row.source != source], family)
    errors = [abs(_predict(row, beta) / row.tokens[family] - 1) for row in rows if row.source == source]
    return sum(errors) / len(errors)


def _rows(counted: list[Counted]) -> list[Row]:
    """Every other text as JSON writes it."""
    return [
        _row(each, as_json(each.text) if at % 2 else each.text.encode("utf-8", "replace")) for at, each in enumerate(counted)
    ]


def _row(each: Counted, data: bytes) -> Row:
    counts = Counter(pair_codes(data))
    wide = Counter(byte for byte in data if byte >= 0x80)
    counts.update({256 + byte - 0x80: times for byte, times in wide.items()})
    counts[START] = 1
    return Row(each.source, dict(counts), len(data), min(1.0, 4 * wide.total() / len(data)), each.tokens)


def _fit_family(rows: list[Row], family: Family) -> Weights:
    predicted: list[tuple[Row, float]] = []
    for fold in range(FOLDS):
        held_out = [at // NEIGHBOURS % FOLDS == fold for at in range(len(rows))]
        beta = _solve([row for row, out in zip(rows, held_out, strict=True) if not out], family)
        predicted += [(row, _predict(row, beta)) for row, out in zip(rows, held_out, strict=True) if out]
    errors = sorted(abs(guess / row.tokens[family] - 1) for row, guess in predicted if row.size >= 200)
    print(f"{family}: files left out, MAPE {100 * sum(errors) / len(errors):.1f} %", file=sys.stderr)
    plain = [(row, guess) for row, guess in predicted if row.foreign < 0.04]
    margin = _margin(plain, family, 0.0, COVERED)
    foreign = _margin([pair for pair in predicted if pair[0].foreign >= 0.04], family, margin, COVERED_FOREIGN)
    beta = _solve(rows, family)
    pair_unit = WEIGHT_MAX / max(beta[:256])
    byte_unit = WEIGHT_MAX / max(beta[256:START])
    return Weights(
        pair_weight=bytes(round(weight * pair_unit) for weight in beta[:256]),
        pair_unit=pair_unit,
        byte_weight=bytes(128) + bytes(round(weight * byte_unit) for weight in beta[256:START]),
        byte_unit=byte_unit,
        start=beta[START],
        margin=margin,
        margin_foreign=foreign,
        margin_sampled=MARGIN_SAMPLED,
        margin_root=MARGIN_ROOT,
        margin_least=MARGIN_LEAST,
    )


def _predict(row: Row, beta: list[float]) -> float:
    return max(1.0, sum(beta[column] * times for column, times in row.counts.items()))


def _margin(predicted: list[tuple[Row, float]], family: Family, floor: float, covered: float) -> float:
    """The least relative margin, on top of `floor`, that covers this part of the texts; foreign ones need it in full."""
    needed: list[float] = []
    for row, guess in predicted:
        allowance = MARGIN_ROOT * math.sqrt(guess) + MARGIN_LEAST
        needed.append(((row.tokens[family] - allowance) / guess - 1 - floor) / (row.foreign if floor else 1.0))
    needed.sort()
    return max(0.05, needed[min(len(needed) - 1, int(covered * len(needed)))])


def _solve(rows: list[Row], family: Family) -> list[float]:
    """Non-negative weights, one per column."""
    truth = [row.tokens[family] for row in rows]
    base = [1 / max(tokens, TOKENS_LEAST) for tokens in truth]
    columns: list[list[tuple[int, int]]] = [[] for _ in range(COLUMNS)]
    for at, row in enumerate(rows):
        for column, times in row.counts.items():
            columns[column].append((at, times))
    prior = [PRIOR_PAIR] * 256 + [0.0] * (COLUMNS - 256)
    beta = list(prior)
    square = [each * each for each in base]
    for _ in range(ROUNDS):
        residual = [_predict_all(row, beta) - tokens for row, tokens in zip(rows, truth, strict=True)]
        for _ in range(SWEEPS):
            _sweep(beta, prior, columns, residual, square)
        square = [each * each / max(abs(off) * each, 0.03) ** 0.5 for each, off in zip(base, residual, strict=True)]
    return beta


def _predict_all(row: Row, beta: list[float]) -> float:
    return sum(beta[column] * times for column, times in row.counts.items())


def _sweep(
    beta: list[float], prior: list[float], columns: list[list[tuple[int, int]]], residual: list[float], square: list[float]
) -> None:
    """One pass of coordinate descent; `residual` follows along."""
    for column, entries in enumerate(columns):
        gradient = RIDGE * (beta[column] - prior[column])
        curvature = RIDGE
        for at, times in entries:
            weighted = square[at] * times
            gradient += weighted * residual[at]
            curvature += weighted * times
        step = max(0.0, beta[column] - gradient / curvature) - beta[column]
        if step:
            beta[column] += step
            for at, times in entries:
                residual[at] += step * times


def _module(fitted: dict[Family, Weights], texts: int, date: str) -> str:
    header = Path(sys.modules[Weights.__module__].__file__ or "").read_text("utf-8").split("WEIGHTS: ")[0]
    lines = [f"WEIGHTS: dict[TokenizerFamily, Weights] = {{  # {date}, {texts} texts"]
    for family, weights in fitted.items():
        lines.append(f'    "{family}": Weights(')
        for name in weights.__struct_fields__:
            value = getattr(weights, name)
            if isinstance(value, bytes):
                rows = "\n".join(f'            "{value[at : at + 32].hex()}"' for at in range(0, 256, 32))
                lines.append(f"        {name}=bytes.fromhex(\n{rows}\n        ),")
            else:
                lines.append(f"        {name}={value:.4g},")
        lines.append("    ),")
    return header + "\n".join([*lines, "}"])


if __name__ == "__main__":
    main()

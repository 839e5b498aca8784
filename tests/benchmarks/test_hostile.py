"""`benchmarks.hostile`: its verdicts, and the cases that once grew with the square of their length."""

from __future__ import annotations

import pytest
from benchmarks.hostile.__main__ import Workers, judged
from benchmarks.hostile.worker import Asked, Told, timed

SIZES = 20_000, 80_000
RATIO_MAX = 10.0  # four times as long: linear takes 4 times as long, the square 16 times
LEAST_S = 0.005  # below that a ratio is noise

ONCE_SLOW = [
    ("context.select of user", "runs of ' ', then x"),
    ("context.select of user", "fasse"),
    ("context.select of user", "tags '<source>'"),
    ("context.select of user", "documents of content"),
    ("context.select of document", "lines of '# a'"),
    ("context.select of document", "document of tags in a heading"),
    ("compress.text of user", "nested fillers"),
    ("compress.examples of user", "runs of examples without a blank line"),
    ("compress.examples of user", "examples of spaces"),
    ("compress.examples of user", "examples of unlike tags"),
    ("sections", "document of a long heading"),
    ("judged", "fence and blank lines"),
    ("judged", "fence and spaces"),
    ("until items:9000 by 1", "runs of ' ', then x"),
    ("decoder, bytes by 1", "runs of 'a'"),
    ("beginning, bytes by 1", "runs of 'a'"),
    ("early end, bytes by 1", "runs of ' ', then x"),
    ("seven rounds of calls", ""),
    ("beginning of comments", ""),
    ("message of inputs", ""),
    ("request of result in result", ""),
]


@pytest.mark.parametrize(("place", "text"), ONCE_SLOW)
def test_what_was_mended_stays_so(place: str, text: str) -> None:
    asked = Asked(place, text, SIZES)
    timed(asked, SIZES[0] // 20)  # loads what it needs
    short, long = (timed(asked, size) for size in SIZES)
    assert (short.error, long.error) == ("", "")
    assert long.cpu_s <= RATIO_MAX * max(short.cpu_s, LEAST_S)


def test_a_case_is_asked_in_a_process_of_its_own() -> None:
    workers = Workers()
    try:
        asked = Asked("estimate", "runs of 'a'", (1_000, 2_000))
        told = workers.ask(asked)
    finally:
        workers.end()
    assert [(one.size, one.error) for one in told] == [(1_000, ""), (2_000, "")]
    assert judged(asked, told).trouble == ""


@pytest.mark.parametrize(
    ("told", "trouble"),
    [
        ((0.1, 0.2, 0.4), ""),
        ((0.001, 0.002, 0.01), ""),  # too quick to tell
        ((0.01, 0.08, 0.16), ""),  # only the shortest was quicker than its length
        ((0.02, 0.08, 0.32), "grows"),
        ((0.5, 1.0, 2.0), "slow"),
        ((0.1, 0.5), "stopped at 400"),
    ],
)
def test_verdicts(told: tuple[float, ...], trouble: str) -> None:
    asked = Asked("any", "any", (100, 200, 400))
    assert judged(asked, [Told(size, cpu_s) for size, cpu_s in zip(asked.sizes, told, strict=False)]).trouble == trouble


def test_what_runs_out_of_stack_is_in_trouble() -> None:
    asked = Asked("any", "any", (100,))
    assert judged(asked, [Told(100, 0.0, "RecursionError")]).trouble == "RecursionError"
    assert judged(asked, [Told(100, 0.0, "InputError")]).trouble == ""

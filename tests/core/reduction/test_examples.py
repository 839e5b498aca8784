"""`compress.examples`: labelled examples become one table, and come back."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.examples import restore, rewrite, runs
from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe

CAPABILITY = Capabilities(id="any", source="", checked="")
PAIRS = [
    ("I love it", "positive"),
    ("Terrible, and late", "negative"),
    ("It is fine", "neutral"),
    ("Never again", "negative"),
    ("Nice!", "positive"),
]
TABLE = "Examples, one a line, tab-separated: Input, Output\n" + "\n".join("\t".join(pair) for pair in PAIRS)


def done(text: str, kind: Kind = "system") -> str:
    """The text after the rewrite."""
    return rewrite((Piece(kind, text),), Recipe(), CAPABILITY).get(0, text)


def lines(pairs: list[tuple[str, str]], between: str = "\n\n", labels: tuple[str, str] = ("Input", "Output")) -> str:
    return between.join(f"{labels[0]}: {one}\n{labels[1]}: {two}" for one, two in pairs)


@pytest.mark.parametrize("kind", ["system", "user"])
@pytest.mark.parametrize(
    "run",
    [
        lines(PAIRS),
        lines(PAIRS, "\n"),
        lines(PAIRS, "\n---\n"),
        "\n\n".join(f"Example {at}:\nInput: {one}\n\nOutput: {two}" for at, (one, two) in enumerate(PAIRS, 1)).replace(
            "Example 1:\n", "", 1
        ),
        "\n".join(f"**Input:** {one}\n**Output:** {two}" for one, two in PAIRS),
    ],
)
def test_labelled_lines(run: str, kind: Kind) -> None:
    assert done(f"Classify.\n\n{run}\n\nNow go on.", kind) == f"Classify.\n\n{TABLE}\n\nNow go on."
    assert done(run, kind) == TABLE
    assert done(TABLE, kind) == TABLE
    assert restore(TABLE) == [(("Input", "Output"), tuple(PAIRS))]


def test_tags() -> None:
    run = "\n".join(f"<example>\n<input>{one}</input>\n<output>\n{two}\n</output>\n</example>" for one, two in PAIRS)
    fresh = done(f"<examples>\n{run}\n</examples>\nGo.")
    assert fresh == f"<examples>\n{TABLE.replace('Input, Output', 'input, output')}\n</examples>\nGo."
    assert restore(fresh) == [(("input", "output"), tuple(PAIRS))]


def test_the_question_itself_stays() -> None:
    assert done(lines(PAIRS) + "\n\nInput: And this?\nOutput:", "user") == f"{TABLE}\n\nInput: And this?\nOutput:"


def test_lines_within_a_cell() -> None:
    pairs = [(f"one {at}\n  two", f"a {at}\nb") for at in range(5)]
    fresh = done(lines(pairs))
    assert "one 0\\n  two\ta 0\\nb\n" in fresh
    assert restore(fresh) == [(("Input", "Output"), tuple(pairs))]


@pytest.mark.parametrize(
    "text",
    [
        lines(PAIRS[:3]),
        lines(PAIRS, labels=("User", "Assistant")),
        f"```\n{lines(PAIRS)}\n```",
        lines([(one + "\tx", two) for one, two in PAIRS]),
        lines([(one + "\n\nmore", two) for one, two in PAIRS]),
        lines([(one + "\\n", two) for one, two in PAIRS]),
        lines([*PAIRS[:2]]) + "\n\nNote: so far.\n\n" + lines(PAIRS[2:]),
        "\n".join(f"<example><input>{one}</input> and <output>{two}</output></example>" for one, two in PAIRS),
        "\n".join(f"<example>{one}</example>" for one, _ in PAIRS),
        "Name: x\nAge: 7\nCity: y",
    ],
)
def test_what_is_no_run_stays(text: str) -> None:
    assert done(text) == text


def test_documents_and_results_stay() -> None:
    text = lines(PAIRS)
    assert done(text, "document") == text
    assert done(text, "tool_result") == text


cell = st.text(alphabet="abc XYZ:.,?<>/\n\\n\"'é", min_size=1, max_size=30).map(str.strip).filter(bool)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=3, max_size=7), st.booleans())
def test_pairs_come_back(pairs: list[tuple[str, str]], tagged: bool) -> None:
    text = lines(pairs) if not tagged else "\n".join(f"<example><q>{one}</q><a>{two}</a></example>" for one, two in pairs)
    fresh = done(text)
    found = list(runs(text))
    back = restore(fresh)
    if fresh != text:
        assert [(run.labels, run.rows) for run in found if (run.labels, run.rows) in back] == back
    clean = all(
        "\n\n" not in part and "\\n" not in part and not any(line[:1].isupper() for line in part.split("\n"))
        for pair in pairs
        for part in pair
    )
    if clean and back and not tagged:
        assert back[0][1] == tuple(pairs)
    assert done(fresh) == fresh


def test_long_texts_take_no_long_time() -> None:
    began = process_time()
    for text in (
        "Input: a\n" * 50_000,
        lines(PAIRS) * 5_000,
        "<example>" * 30_000 + "</example>" * 5,
        "A: b\nB: c\nC: d\nD: e\nE: f\n" * 20_000,
        "<example><a>x</a></example>\n" * 20_000,
    ):
        done(text)
    assert process_time() - began < 6


def test_a_run_within_the_last_cell_of_another_is_none() -> None:
    """Without a blank line all that follows belongs to the last cell: it must not be written twice."""
    text = lines(PAIRS, "\n") + "\n" + lines(PAIRS, "\n", ("Term", "Meaning"))
    found = list(runs(text))
    assert len(found) == 1
    assert done(text).count("Terrible, and late") == text.count("Terrible, and late")

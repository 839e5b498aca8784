"""`context.trim_tools` on long tool results: what stays, what is noted, and that it stays so."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.trim import rewrite
from thriftgate.core.tokens import estimate_text
from thriftgate.pricing.load import load_models

MODEL = load_models()["claude-opus-4-8"]
NOTE = re.compile(r"\[… ([\d,]+) (lines?|characters|items?) left out …\]")


def tokens(text: str) -> int:
    return estimate_text(text.encode(), MODEL.tokenizer).tokens


def trimmed(text: str, limit: int = 300, *, tool: str = "bash", kind: Kind = "tool_result", **recipe: object) -> str:
    """The text as it is sent; checks what holds of every text."""
    fixed = msgspec.structs.replace(Recipe(tool_result_tokens=limit), **recipe)
    done = rewrite((Piece("user", "go on"), Piece(kind, text, tool)), fixed, MODEL)
    assert set(done) <= {1}
    assert done == rewrite((Piece("user", "go on"), Piece(kind, text, tool)), fixed, MODEL)
    fresh = done.get(1, text)
    if done:
        assert tokens(fresh) <= max(limit, *(most for _, most in fixed.tools or [("", 0)]))
        assert rewrite((Piece(kind, fresh, tool),), fixed, MODEL) == {}
    return fresh


LOG = "\n".join(f"2026-11-01T12:00:00 step {number} of the build is done" for number in range(2_000))


def test_a_long_result_keeps_its_ends_in_whole_lines() -> None:
    fresh = trimmed(LOG)
    (count, unit), *others = NOTE.findall(fresh)
    kept = [line for line in fresh.split("\n") if not NOTE.fullmatch(line)]
    assert not others
    assert unit == "lines"
    assert int(count.replace(",", "")) + len(kept) == 2_000
    assert set(kept) <= set(LOG.split("\n"))
    head = kept.index(next(line for line in kept if int(line.split()[2]) > 1_000))
    assert 0.55 < head / len(kept) < 0.65
    assert kept[-1].split()[2] == "1999"
    assert tokens(fresh) > 200  # the limit is made use of


def test_failures_in_the_middle_stay_where_they_stood() -> None:
    lines = LOG.split("\n")
    lines[900] = "src/app.c:12:5: error: expected ';'"
    lines[1_200] = "FAILED tests/test_app.py::test_start"
    fresh = trimmed("\n".join(lines), 800)
    assert len(NOTE.findall(fresh)) == 3
    first, second = fresh.index(lines[900]), fresh.index(lines[1_200])
    assert first < second < fresh.index("step 1999")


def test_failures_have_a_small_budget() -> None:
    fresh = trimmed("\n".join(f"Error: case {number} failed for reasons of its own" for number in range(2_000)), 400)
    middle = NOTE.split(fresh, maxsplit=1)[-1].split("case 19")[0]
    assert tokens(middle) < 100


@pytest.mark.parametrize("text", ["short", "", "word " * 200])
def test_what_is_short_stays(text: str) -> None:
    assert trimmed(text) == text


def test_what_is_hardly_too_long_stays() -> None:
    line = "a line of text that says a little\n"
    text = line * (310 * 50 // tokens(line * 50))
    assert 300 < tokens(text) < 330
    assert trimmed(text) == text


@pytest.mark.parametrize("kind", ["user", "document", "system", "image"])
def test_only_tool_results_are_trimmed(kind: Kind) -> None:
    assert trimmed(LOG, kind=kind) == LOG


def test_a_tool_may_have_a_limit_of_its_own() -> None:
    limits = (("bash", 900), ("read_patch", 0))
    assert 600 < tokens(trimmed(LOG, tools=limits)) <= 900
    assert tokens(trimmed(LOG, tool="grep", tools=limits)) <= 300
    assert trimmed(LOG, tool="read_patch", tools=limits) == LOG


def test_one_huge_line_is_cut_by_characters() -> None:
    text = "".join(f"field{number};" for number in range(5_000))
    fresh = trimmed(text)
    ((count, unit),) = NOTE.findall(fresh)
    assert unit == "characters"
    assert fresh.startswith("field0;field1;")
    assert fresh.endswith("field4999;")
    head, tail = re.split(NOTE.pattern.replace("(", "(?:"), fresh)
    assert len(head) + len(tail) + int(count.replace(",", "")) == len(text)


def test_characters_that_take_many_tokens() -> None:
    assert trimmed("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ\n" * 60).count("\n") < 60


# --- JSON -----------------------------------------------------------------------------------------------------------------


def test_an_array_stays_json() -> None:
    rows = [{"id": number, "name": f"customer {number}", "active": None} for number in range(1_000)]
    fresh = msgspec.json.decode(trimmed(msgspec.json.encode(rows).decode()))
    (note,) = [item for item in fresh if isinstance(item, str)]
    count = NOTE.fullmatch(note)
    assert count is not None
    assert count[2] == "items"
    assert int(count[1].replace(",", "")) + len(fresh) - 1 == 1_000
    assert fresh[0] == rows[0]
    assert fresh[-1] == rows[-1]
    assert all(item in rows for item in fresh if item != note)


def test_the_longest_member_of_an_object_is_cut() -> None:
    result = {"status": "ok", "page": {"next": 2, "rows": [{"n": number, "text": "some words"} for number in range(900)]}}
    fresh = msgspec.json.decode(trimmed(msgspec.json.encode(result).decode()))
    assert fresh["status"] == "ok"
    assert fresh["page"]["next"] == 2
    assert fresh["page"]["rows"][0] == {"n": 0, "text": "some words"}
    assert fresh["page"]["rows"][-1] == {"n": 899, "text": "some words"}


def test_a_long_string_in_an_object_is_cut_by_lines() -> None:
    fresh = msgspec.json.decode(trimmed(msgspec.json.encode({"exit": 1, "stdout": LOG, "stderr": ""}).decode()))
    assert fresh["exit"] == 1
    assert fresh["stderr"] == ""
    assert fresh["stdout"].endswith("step 1999 of the build is done")
    assert NOTE.search(fresh["stdout"])


@pytest.mark.parametrize(
    "text",
    [
        "[" + LOG,
        "{" + LOG,
        "{}" + LOG,
        msgspec.json.encode({f"key {number}": number for number in range(3_000)}).decode(),
        "[" * 5_000,
        msgspec.json.encode(["x " * 9_000]).decode(),
    ],
)
def test_json_that_is_none_or_has_no_long_member_is_text(text: str) -> None:
    assert NOTE.search(trimmed(text))


def test_json_that_is_mostly_blanks_is_brought_within() -> None:
    spaced = "[" + (" " * 2_000 + ",").join(str(number) for number in range(60)) + "]"
    assert isinstance(msgspec.json.decode(trimmed(spaced, 150)), list)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet='aé [{"\\:,]}\r\n\t0☃', max_size=80), max_size=40).map("\n".join),
    st.integers(1, 60),
    st.integers(20, 120),
)
def test_any_text_is_cut_once_and_within_its_limit(text: str, times: int, limit: int) -> None:
    trimmed(text * times, limit)


@pytest.mark.parametrize("limit", [60, 100, 200])
@pytest.mark.parametrize("failure", ["Error: boom", "src/app.py:812: error: name 'total' is not defined in this scope"])
def test_the_first_failure_stays_however_small_the_limit(limit: int, failure: str) -> None:
    lines = LOG.split("\n")
    fresh = trimmed("\n".join([*lines[:900], failure, *lines[900:1_400], "Error: another", *lines[1_400:]]), limit)
    assert failure in fresh

"""Dates, times and ids in a text, and lines that say nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.stability.volatile import is_fence, kind_at, last_sentences, lines_of, stands_alone

UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("on 2026-11-21 we", "date", "ISO date"),
        ("at 2026-11-21T10:32:00.123Z", "date", "ISO date and time"),
        ("on 21/11/2026", "date", "date in digits"),
        ("on 21.11.2026", "date", "date in digits"),
        ("Saturday, November 21, 2026", "date", "date in words"),
        ("the 21st of November 2026", "date", "date in words"),
        ("It is Monday", "date", "weekday"),
        ("at 10:32:07 PM", "date", "time of day"),
        (f"id {UUID}", "id", "UUID"),
        ("id req_01AbCdEfGhIjKl", "id", "id with a prefix"),
        ("id 0af7651916cd43dd8448eb211c80319c", "id", "hex id"),
        ("at 1795262400 s", "id", "10 digits"),
        ("ticket 17 of", "number", "2 digits"),
    ],
)
def test_what_stands_somewhere(text: str, kind: str, name: str) -> None:
    (at, *_) = [at for at in range(len(text)) if (found := kind_at(text, at)) is not None and found.name == name]
    assert kind_at(text, at) == (kind, name)


@pytest.mark.parametrize("text", ["ordinary words only", "Mayor and Sunday-school", "input_schema", "claude-opus"])
def test_ordinary_text_is_nothing(text: str) -> None:
    assert kind_at(text, 2) is None


VOLATILE = [
    ("Today is 2026-11-21.", True),
    ("The current time is 10:32 UTC", True),
    ("- **Current date:** 21 November 2026 (UTC)", True),
    ("<current_date>2026-11-21</current_date>", True),
    (f"Session ID: {UUID}", True),
    ("Timestamp: 1795262400", True),
    ("Date: 2026-11-21", False),
    ("It's 10:32 AM", False),
    ("2026-11-21", False),
]


@pytest.mark.parametrize(("text", "strong"), VOLATILE)
def test_volatile_lines(text: str, strong: bool) -> None:
    (line,) = lines_of(msgspec.json.encode(text))
    assert (line.volatile, line.strong) == (True, strong)
    assert stands_alone(f"Rules.\n{text}\nMore.", 9) == strong
    assert stands_alone(f"Rules.\n{text}\n", 9)
    assert stands_alone(f"Rules. {text}", 9)


@pytest.mark.parametrize(
    "text",
    [
        "Knowledge cutoff: 2025-01-01",
        "Version 2.1.197",
        "Founded 1998-01-01",
        "Ticket 2026-11-21 is the current one to fix",
        "Today we sort tickets",
        "Answer in 3 sentences",
        '"timestamp": "2026-11-21",',
        "Today is 2026-11-21. Never mention it.",
        "Current date " + "2026-11-21 " * 20,
        "",
    ],
)
def test_other_lines_stay(text: str) -> None:
    assert not any(line.volatile for line in lines_of(msgspec.json.encode(text)))


def test_a_backslash_before_an_n_is_no_line_break() -> None:
    literal = msgspec.json.encode("a\\n2026-11-21\nb")
    assert [literal[line.start : line.end] for line in lines_of(literal)] == [b"a\\\\n2026-11-21\\n", b"b"]


def test_sentences_at_the_end() -> None:
    literal = msgspec.json.encode("Sort tickets. It is Monday. Now it is 10:32.")
    (line,) = lines_of(literal)
    begin = last_sentences(literal, line)
    assert begin is not None
    assert literal[begin:] == b'It is Monday. Now it is 10:32."'
    for text in ("Sort 3 tickets. Be brief.", "Today is 2026-11-21. It is the date. " * 6):
        literal = msgspec.json.encode(text)
        assert last_sentences(literal, lines_of(literal)[0]) is None


def test_fences() -> None:
    literal = msgspec.json.encode("  ```json\n{}\n~~~")
    assert [is_fence(literal, line) for line in lines_of(literal)] == [True, False, True]


@given(st.text(alphabet=st.sampled_from('ab1-:. \n\\"/T20é☕é`'), max_size=200) | st.text(max_size=100))
def test_lines_cover_any_text(text: str) -> None:
    literal = msgspec.json.encode(text)
    lines = lines_of(literal)
    assert b"".join(literal[line.start : line.end] for line in lines) == literal[1:-1]
    for line in lines:
        begin = last_sentences(literal, line)
        assert begin is None or line.start < begin < line.end
    for at in range(len(text)):
        kind_at(text, at)
        stands_alone(text, at)


@pytest.mark.parametrize("piece", ["1", "a1", "Jan ", "0000-", "ab_", "1:", " ", ". ", "\n", "9/", "Today is 2026-11-21. "])
def test_long_odd_texts_are_read(piece: str) -> None:
    """Not timed; a pattern that backtracks would take hours."""
    literal = msgspec.json.encode(piece * 40_000)
    lines_of(literal)
    kind_at(piece * 40_000, 50_000)

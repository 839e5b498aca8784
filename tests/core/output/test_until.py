"""Where an answer is complete: by hand, in any pieces, and what is refused."""

from __future__ import annotations

import itertools
import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import ConfigError
from thriftgate.core.output.until import REGEX_WINDOW, Matcher, Until, parse_until

# (condition, the answer up to where it is complete, what the model goes on with; None: the answer never is)
CASES: list[tuple[str, str, str | None]] = [
    ("first_line", "spam", "\nBecause"),
    ("first_line", "\n \n\r\n  spam, probably \r", "\nBecause"),
    ("first_line", "spam", None),
    ("first_line", "\n\n\n", None),
    ("json", '{"a": 1}', " and more"),
    ("json", '{"a": {"b": [1, "}]"]}, "c": "\\"}"}', "\n\nThis object"),
    ("json", "[]", "\n"),
    ("json", "[1, 2]", "]"),
    ("json", 'Here you are: {"a": 1}', "\nI hope"),
    ("json", 'As [1] says, {this}:\n```json\n{"a": 1}\n```', "\nI hope"),
    ("json", '```\n[\n {"a": "```"}\n]\n\n ```', "`"),
    ("json", '```json\n{"a": 1}', "\nand no fence"),
    ("json", '```json\n{"a": 1}', "\n `x`"),
    ("json", 'So `[` is\n```py\nx\n```\n{"a": 1}', "\n```"),
    ("json", '{"a": 1,} is wrong, {"a": 1}', " right"),
    ("json", 'one { of "these\n[1]', "\n[2]"),
    ("json", 'one {"of these\n[1]', None),
    ("json", 'The parts [1, 2] and {"a": tru} and {"a": "', None),
    ("json", '{"\\\\": "\\u00e9\\\\"}', '"}'),
    ("items:2", "Here:\n\n- one\n- two", "\n- three"),
    ("items:2", "1. one\n   more of it\n\n2. two", "\n\n3) three"),
    ("items:2", "* one\n  - inner\n  - inner\n* two\n  1. inner", "\n* three"),
    ("items:2", "• one\n• two\nlazily", "\n\nThat is all"),
    ("items:1", "- one\n\n  still one", "\n\nThe end"),
    ("items:1", "- one\r", "\n\r\n- two"),
    ("items:1", "  - one\n    - inner", "\n- two"),
    ("items:2", "-\n-", "\n- x"),
    ("items:2", "- one\n- two\n\n  12", None),
    ("items:2", "**bold**\n---\n1.5 is a number\n-x\n- one", None),
    ("items:1", "12. twelve", "\n 13. thirteen"),
    ("items:3", "- 1\n\nAnd more\n\n- 2\n- 3", "\n\nx"),
    ("regex:</answer>", "<answer>\n42</answer>", "</answer>"),
    (r"regex:\d+", "It is 4", "2"),
    (r"regex:\d+\s", "It is 42 ", " x"),
    (r"regex:(?i)^done\.?", "not done\nDONE", "."),
    (r"regex:\bDONE[.]|\bEND", "xEND DONE.", " END"),
    (r"regex:(?<=a)b+", "b ab", "bb"),
    (r"regex:[$]\d[?*+]+", "5$ $5+", "+"),
    ("regex:end", "no e n d", None),
    (r"regex:\A\s*yes", " yes", " yes"),
    (r"regex:\Ayes", "no yes", None),
]  # fmt: skip
CONDITIONS = ["first_line", "json", "items:1", "items:2", "regex:ab+c", r"regex:^- [^\n]*\n", r"regex:(?<!a)b", r"regex:\ba"]


def end_of(matcher: Matcher, pieces: list[str]) -> int | None:
    """Where the answer is complete; the end never lies before what was said to be sure, nor behind what was fed."""
    fed = sure = 0
    for piece in pieces:
        end = matcher.feed(piece)
        fed += len(piece)
        if end is not None:
            assert sure <= end <= fed
            return end
        assert sure <= matcher.sure <= fed
        sure = matcher.sure
    return None


def cut(text: str, points: list[int]) -> list[str]:
    return [text[start:end] for start, end in itertools.pairwise([0, *sorted(points), len(text)])]


@pytest.mark.parametrize(("condition", "answer", "after"), CASES)
def test_the_answer_ends_there_whatever_the_pieces(condition: str, answer: str, after: str | None) -> None:
    text = answer + (after or "")
    wanted = None if after is None else len(answer)
    assert end_of(parse_until(condition).matcher(), [text]) == wanted
    assert end_of(parse_until(condition).matcher(), list(text)) == wanted
    for at in range(len(text)):
        assert end_of(parse_until(condition).matcher(), cut(text, [at])) == wanted


@given(
    st.sampled_from(CONDITIONS),
    st.lists(st.sampled_from([*' \n\t\r-*`1.{}[]",:\\abc', "```", "- ", "\n\n", '"a":', "{}"]), max_size=40),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_any_text_in_any_pieces_ends_alike(condition: str, parts: list[str], points: list[int]) -> None:
    text = "".join(parts)
    end = end_of(parse_until(condition).matcher(), [text])
    assert end_of(parse_until(condition).matcher(), list(text)) == end
    assert end_of(parse_until(condition).matcher(), cut(text, [min(at, len(text)) for at in points])) == end
    if end is not None:  # known by then, or as soon as a little more has come
        assert end_of(parse_until(condition).matcher(), [text[:end], text[end:]]) == end


@pytest.mark.parametrize("condition", CONDITIONS)
def test_once_nothing_is_awaited_all_is_sure(condition: str) -> None:
    matcher = parse_until(condition).matcher()
    assert matcher.feed("Well. ") is None
    assert matcher.sure == 6


def test_only_what_may_belong_to_the_next_item_is_unsure() -> None:
    matcher = parse_until("items:2").matcher()
    sure = []
    for piece in ["- one\n", "- two", "\n", "1", "2", "0 more", "\n", "\n", " ", "  x"]:
        assert matcher.feed(piece) is None
        sure.append(matcher.sure)
    assert sure == [6, 11, 11, 11, 11, 20, 20, 20, 20, 26]


def test_the_regex_sees_one_window_whatever_the_pieces() -> None:
    spanning = "a" + "x" * (REGEX_WINDOW - 2) + "b"
    for lead in ("", "y" * 10, "y" * 5_000):
        for size in (1, 7, 999, 100_000):
            text = lead + spanning + "tail"
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            assert end_of(parse_until("regex:ax*b").matcher(), pieces) == len(lead) + len(spanning)
    assert end_of(parse_until("regex:ax*b").matcher(), [spanning.replace("b", "xb")]) is None


def test_a_long_answer_costs_little() -> None:
    """Sixty thousand characters in small pieces, as models send them."""
    text = ("A line of prose with [1] and {braces} in it.\n" * 1_400)[:60_000]
    for condition in ("json", "items:9000", "first_line", "regex:</answer>", r"regex:\d{4}-\d\d"):
        matcher = parse_until(condition).matcher()
        started = perf_counter()
        for at in range(0, len(text), 8):
            if matcher.feed(text[at : at + 8]) is not None:
                break
        assert perf_counter() - started < 2.0


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("first_line", Until("first_line")),
        (" json", Until("json")),
        ("items: 12", Until("items", count=12)),
        (r"regex:\$\d+ ", Until("regex", pattern=r"\$\d+ ")),
    ],
)
def test_parsed_and_written_again(text: str, parsed: Until) -> None:
    assert parse_until(text) == parsed
    assert parse_until(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'is not one of "first_line", "json", "items:N" and "regex:PATTERN"'),
        ("first line", "'first line' is not one of"),
        ("json:2", "'json:2' is not one of"),
        ("items", "needs a number from 1 to 10000, not ''"),
        ("items:0", "not '0'"),
        ("items:-1", "not '-1'"),
        ("items:\u0663", "needs a number"),
        ("items:99999999999", "needs a number"),
        ("regex", "needs a pattern"),
        ("regex:(a", r"'\(a' is no regular expression: missing \)"),
        ("regex:a{9999999999999}", "no regular expression"),
        ("regex:a*", "found in an empty text"),
        ("regex:^", "found in an empty text"),
        ("regex:done$", r"'\$' at character 5 of the pattern 'done\$' depends on what comes next"),
        ("regex:a(?=b)", "depends on what comes next"),
        ("regex:a(?!b)", "depends on what comes next"),
        ("regex:(?>a|ab)c", "depends on what comes next"),
        ("regex:a++b", "depends on what comes next"),
        ("regex:a{2}+b", "depends on what comes next"),
        (r"regex:done\b", "depends on what comes next"),
        (r"regex:a\ba?", "depends on what comes next"),
        (r"regex:a\B", "depends on what comes next"),
        (r"regex:done\Z", "depends on what comes next"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint if "(" in complaint or "$" in complaint else re.escape(complaint)):
        parse_until(text)

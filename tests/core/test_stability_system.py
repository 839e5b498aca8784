"""A system prompt with its volatile lines at the end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.stability.system import StableSystem, stable_system

DATE = "Current date: 2026-11-21"
ID = "Request ID: req_01AbCdEfGhIjKl"
RULES = "Sort the tickets.\nAnswer in one word.\n"


def blocks(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in texts]


def stable(system: Any) -> StableSystem | None:
    return stable_system(msgspec.json.encode(system))


def texts_of(found: StableSystem | None) -> list[str]:
    assert found is not None
    return [block["text"] for block in msgspec.json.decode(found.raw)]


@pytest.mark.parametrize(
    ("system", "expected", "moved", "split"),
    [
        (f"{RULES}{DATE}", [RULES, DATE], 0, True),
        (f"{RULES}\n{DATE}\n{ID}\n\n", [f"{RULES}\n", f"{DATE}\n{ID}\n\n"], 0, True),
        (
            f"{RULES}Be brief. Today is 2026-11-21. Now it is 10:32.",
            [f"{RULES}Be brief. ", "Today is 2026-11-21. Now it is 10:32."],
            0,
            True,
        ),
        (f"{DATE}\n{RULES}", [RULES, f"{DATE}\n"], 1, False),
        (f"{DATE}\n{RULES}Date: 2026-11-21", [RULES, f"{DATE}\n", "Date: 2026-11-21"], 1, True),
        (f"Be kind.\n{ID}\n{RULES}", [f"Be kind.\n{RULES}", f"{ID}\n"], 1, False),
        (blocks(DATE, RULES), [RULES, f"{DATE}\n"], 1, False),
        (blocks(f"{RULES}{DATE}", RULES), [RULES, RULES, f"{DATE}\n"], 1, False),
        (blocks(f"{RULES}{DATE}", ID), [RULES, DATE, ID], 0, True),
    ],
)
def test_volatile_text_goes_behind(system: Any, expected: list[str], moved: int, split: bool) -> None:
    found = stable(system)
    assert found is not None
    assert (texts_of(found), found.moved, found.split) == (expected, moved, split)


@pytest.mark.parametrize(
    "system",
    [
        RULES,
        "",
        DATE,
        blocks(RULES, DATE),
        blocks(DATE, ID),
        f"Date: 2026-11-21\n{RULES}",  # could be an example
        f"{DATE}\n{RULES}{DATE}\n{RULES}",  # stands twice: more likely data than the date
        f"```\n{DATE}\n```\n{RULES}",
        f"Today is 2026-11-21. Be kind.\n{RULES}",
        [{"type": "text", "text": f"{RULES}{DATE}", "citations": None}],
        [{"type": "image", "text": DATE}, {"text": DATE}],
        [],
        None,
    ],
)
def test_the_rest_is_left_alone(system: Any) -> None:
    if system is None:
        with pytest.raises(msgspec.DecodeError):
            stable(system)
    else:
        assert stable(system) is None


def test_escapes_and_untouched_blocks_keep_their_bytes() -> None:
    raw = b'[ {"type" : "text","text":"caf\\u00e9 \\/ 1"} , {"text":"a\\u00e9\\nToday is 2026-11-21","type":"text"}]'
    found = stable_system(raw)
    assert found is not None
    assert found.raw == (
        b'[{"type" : "text","text":"caf\\u00e9 \\/ 1"},{"text":"a\\u00e9\\n","type":"text"},'
        b'{"type":"text","text":"Today is 2026-11-21"}]'
    )


LINE = st.sampled_from(
    [
        DATE,
        ID,
        "Date: 2026-11-21",
        "Today is Monday. It is 10:32.",
        "Be kind. Now: 10:32",
        "10:32",
        "Sort é.",
        "",
        " ",
        "```",
        "- Current time: 10:32 UTC",
        "a\\n1",
        "It is the date.",
        'Say "no".',
        "Today is Monday. It is the date. " * 5,
        "Monday. Sort.",
    ]
)
TEXT = st.lists(LINE, max_size=6).map("\n".join) | st.lists(LINE, max_size=5).map(". ".join)
OTHER = st.just({"type": "image", "source": {}}) | TEXT.map(lambda text: {"type": "text", "text": text, "citations": None})
SYSTEM = TEXT | st.lists(TEXT.map(lambda text: {"type": "text", "text": text}) | OTHER, max_size=4)


def words_of(system: Any) -> list[str]:
    items = blocks(system) if isinstance(system, str) else system
    return sorted(line for item in items for line in item.get("text", "").split("\n") if line.strip())


@given(SYSTEM)
def test_any_system_prompt(system: Any) -> None:
    found = stable(system)
    if found is None:
        return
    after = msgspec.json.decode(found.raw)
    before = blocks(system) if isinstance(system, str) else system
    assert all(block.get("text") != "" or block in before for block in after)
    if not found.moved:
        assert "".join(one.get("text", "") for one in after) == "".join(one.get("text", "") for one in before)
    elif not found.split:
        assert words_of(after) == words_of(system)
    assert [block for block in after if block.keys() != {"type", "text"}] == [
        block for block in before if block.keys() != {"type", "text"}
    ]
    assert stable_system(found.raw) is None, "done twice is done once"

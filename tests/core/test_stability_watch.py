"""What breaks the prefixes of live traffic."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.planning import request_of
from thriftgate.core.stability.breaks import Break
from thriftgate.core.stability.watch import ROWS_MAX, SHAPES_MAX, StabilityReport, StabilityWatch

RULES = "Sort the tickets by their urgency and answer in one word. " * 20


def dated(day: int) -> str:
    return f"Today is 2026-11-{day:02d}.\n{RULES}"


class Scene:
    """A watch, and what it says to one request after another."""

    def __init__(self, **bounds: int) -> None:
        self.watch = StabilityWatch(**bounds)

    def see(self, *, key: str = "key_1", now_s: float = 0.0, **members: Any) -> Break | None:
        return self.watch.see(key, request_of(**members), "claude47", now_s)


def test_a_date_that_changes() -> None:
    scene = Scene()
    found = [scene.see(system=dated(day)) for day in (1, 1, 2, 2, 3)]
    assert [one.cause if one else None for one in found] == [None, None, "date", None, "date"]
    report = scene.watch.report()
    (row,), (app,) = report.breaks, report.apps
    assert (row.key, row.model, row.count, row.last) == ("key_1", "claude-opus-4-8", 2, found[4])
    assert found[2] is not None
    assert found[4] is not None
    assert row.tokens_lost == found[2].tokens_behind + found[4].tokens_behind > 0
    assert (app.requests, app.unanalysed) == (5, 0)


def test_what_was_counted_is_added_to_after_a_restart() -> None:
    before, after = Scene(), Scene()
    for day in (1, 2, 3):
        before.see(system=dated(day), now_s=100.0 + day)
    before.see(system=RULES, key="key_2", now_s=500.0)
    for day in (4, 5):
        after.see(system=dated(day), now_s=1000.0 + day)
    after.watch.restore(before.watch.kept())
    report = after.watch.report()
    (row,) = report.breaks
    assert (row.count, row.last_s) == (3, 1005.0)
    assert row.tokens_lost == 3 * row.last.tokens_behind
    counted = {app.key: (app.requests, app.since_s) for app in report.apps}
    assert counted == {"key_1": (5, 101.0), "key_2": (1, 500.0)}
    fresh = Scene()
    fresh.watch.restore(after.watch.kept())
    assert fresh.watch.report() == report
    assert fresh.watch.bytes_held == 0
    assert fresh.see(system=dated(6)) is None, "no prompt is kept to compare with"


def test_the_later_of_two_is_shown_whichever_comes_first() -> None:
    early, late = Scene(), Scene()
    for at, scene in ((0.0, early), (60.0, late)):
        scene.see(system=dated(1), now_s=at)
        scene.see(system=dated(2 + int(at)), now_s=at)
    shown = late.watch.report().breaks[0].last
    assert shown != early.watch.report().breaks[0].last
    early.watch.restore(late.watch.kept())
    late.watch.restore(early.watch.kept())
    assert [one.watch.report().breaks[0].last for one in (early, late)] == [shown, shown]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"apps":[{}],"breaks":[]}'])
def test_what_is_no_report_changes_nothing(data: bytes) -> None:
    scene = Scene()
    scene.see(system=dated(1))
    before = scene.watch.report()
    with pytest.raises(ValueError, match="no kept report"):
        scene.watch.restore(data)
    assert scene.watch.report() == before


def test_a_restored_report_keeps_to_the_bounds() -> None:
    scene, small = Scene(), Scene(apps_max=3)
    for at in range(10):
        for day in (1, 2):
            scene.see(system=dated(day), key=f"key_{at}")
    small.watch.restore(scene.watch.kept())
    report = small.watch.report()
    assert {app.key for app in report.apps} == {one.key for one in report.breaks} == {"key_7", "key_8", "key_9"}


def test_a_long_conversation_is_not_searched_for_documents() -> None:
    """Whether the first message holds documents is seen at its beginning."""
    late = {"type": "document", "source": {"type": "text", "data": "words"}}
    talk = [{"role": "user", "content": f"{turn} {RULES}"} for turn in range(20)]
    scene = Scene(analyses_per_minute=2)
    scene.see(system=RULES, messages=[*talk, {"role": "user", "content": [late]}])
    for _ in range(3):
        scene.see(system=RULES, messages=[*talk, {"role": "user", "content": [late]}])
    assert scene.see(system=dated(1)) is not None, "no analysis was spent on those"


def test_keys_and_models_are_kept_apart() -> None:
    scene = Scene()
    assert scene.see(system=dated(1)) is None
    assert scene.see(system=dated(2), key="key_2") is None
    assert scene.see(system=dated(3), model="claude-opus-5-5") is None
    assert scene.see(system=dated(4)) is not None
    assert len(scene.watch.report().apps) == 3


def test_two_applications_under_one_key_take_turns() -> None:
    scene = Scene()
    for _ in range(3):
        assert scene.see(system=RULES) is None
        assert scene.see(system="You look up the weather. Answer with a number and nothing else.") is None
    assert scene.see(system=dated(1)) is not None, "it is compared with the one that it is like"
    assert scene.watch.report().apps[0].unanalysed == 0


def test_documents_that_are_shuffled() -> None:
    documents = [{"type": "document", "source": {"type": "text", "data": f"{n} words " * 30}} for n in range(3)]

    def ask(*order: int) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [*(documents[at] for at in order), {"type": "text", "text": "which?"}]}]

    scene = Scene()
    orders = ((0, 1, 2), (0, 1, 2), (2, 1, 0), (2, 1))
    found = [scene.see(system=RULES, messages=ask(*order)) for order in orders]
    assert [one.cause if one else None for one in found] == [None, None, "document_order", None]
    alone = Scene()
    assert [bool(alone.see(messages=ask(*order))) for order in orders] == [False, False, True, False]


def test_what_has_nothing_in_front_is_not_watched() -> None:
    scene = Scene()
    assert scene.see() is None
    assert scene.watch.report() == StabilityReport((), ())


def test_only_so_many_analyses_a_minute() -> None:
    scene = Scene(analyses_per_minute=3)
    found = [scene.see(system=dated(day), now_s=day) is not None for day in range(1, 9)]
    assert found == [False, True, True, False, False, False, False, False]
    assert scene.watch.report().apps[0].unanalysed == 5
    assert scene.see(system=dated(9), now_s=61.5) is not None
    assert scene.see(system=dated(9), now_s=61.6) is None, "what repeats costs no analysis"


def test_the_memory_is_bounded() -> None:
    scene = Scene(bytes_max=20_000, apps_max=5)
    for at in range(40):
        scene.see(system=dated(at), key=f"key_{at}")
        assert scene.watch.bytes_held <= 20_000
        assert len(scene.watch.report().apps) <= 5
    before = scene.watch.bytes_held
    scene.see(system=RULES * 10)
    assert scene.watch.bytes_held <= before, "too long to be kept"
    assert scene.watch.report().apps[-1].unanalysed == 1
    for at in range(3 * SHAPES_MAX):
        scene.see(system=f"{chr(97 + at) * 200} and {chr(110 + at) * 300}", now_s=at * 60)
    assert scene.watch.bytes_held <= 20_000


def test_the_rows_are_bounded() -> None:
    scene = Scene(analyses_per_minute=1_000)
    texts = ["word " * 20] * (ROWS_MAX + 10)
    for at in range(ROWS_MAX + 10):
        for turn in range(2):
            changed = [*texts[:at], f"{texts[at]}{'ab'[turn]}", *texts[at + 1 :]]
            scene.see(system=[{"type": "text", "text": text} for text in changed])
    assert len(scene.watch.report().breaks) <= ROWS_MAX


def test_the_report_can_be_stored_and_holds_no_prompt() -> None:
    scene = Scene()
    scene.see(system=dated(1))
    scene.see(system=dated(2))
    stored = msgspec.json.encode(scene.watch.report())
    assert msgspec.json.decode(stored, type=StabilityReport) == scene.watch.report()
    assert b"urgency" not in stored
    assert b"2026" not in stored


MEMBER = (
    st.none()
    | st.text(max_size=30)
    | st.lists(st.dictionaries(st.sampled_from(["type", "text", "name"]), st.text(max_size=9)))
)


@given(st.lists(st.tuples(MEMBER, MEMBER), max_size=6))
def test_anything_can_be_watched(requests: list[tuple[Any, Any]]) -> None:
    scene = Scene(bytes_max=2_000)
    for at, (tools, system) in enumerate(requests):
        scene.see(tools=tools, system=system, now_s=float(at))
    held = scene.watch.bytes_held
    assert 0 <= held <= 2_000
    msgspec.json.encode(scene.watch.report())

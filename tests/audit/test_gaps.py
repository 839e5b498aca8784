"""Pauses of conversations."""

from __future__ import annotations

from math import inf

from tests.audit.tables import NOON_US, call, table
from thriftgate.audit.findings import Gap
from thriftgate.audit.gaps import EDGES_S, gaps
from thriftgate.audit.records import Record


def after(seconds: float, size: int, **fields: object) -> Record:
    return call(int(seconds), **{"at_us": NOON_US + int(seconds * 1e6), "session": "s", "input": size, **fields})


def found(*records: Record) -> dict[float, tuple[int, int]]:
    """Calls and tokens by where their gap begins, none left out."""
    with table(records) as calls:
        return {gap.from_s: (gap.calls, gap.tokens) for gap in gaps(calls) if gap.calls}


def test_each_pause_is_in_the_bin_it_begins() -> None:
    talk = [after(0, 100), after(9.999999, 200), after(19.999999, 150), after(319.999999, 400), after(3_919.999999, 500)]
    assert found(*talk) == {0.0: (1, 100), 10.0: (1, 150), 300.0: (1, 150), 3_600.0: (1, 400)}


def test_the_last_bin_has_no_end() -> None:
    with table([after(0, 5), after(10**7, 3, write_5m=1, write_1h=1, write_unsplit=1, read=1)]) as calls:
        every = gaps(calls)
    assert len(every) == len(EDGES_S) - 1
    assert every[-1] == Gap(86_400.0, inf, 1, 5)
    assert [gap.until_s for gap in every[:-1]] == [gap.from_s for gap in every[1:]]


def test_conversations_are_kept_apart() -> None:
    others = ({"session": "t"}, {"agent": "a"}, {"side": True}, {"model": "claude-opus-5"}, {"key": "k"}, {"workspace": "w"})
    assert found(after(0, 5), *(after(20, 5, **other) for other in others)) == {}
    assert found(after(0, 5), *(after(20, 5, **other) for other in others), after(40, 5)) == {30.0: (1, 5)}


def test_without_conversations_there_is_nothing_to_tell() -> None:
    with table([call(1, input=5), call(2, input=5)]) as calls:
        assert gaps(calls) == ()
    with table([]) as calls:
        assert gaps(calls) == ()


def test_sums_have_no_pauses() -> None:
    assert found(after(0, 5, span_us=9), after(60, 5, span_us=9)) == {}

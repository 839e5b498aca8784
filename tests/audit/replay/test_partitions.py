"""Calls dealt out: each one once, nothing torn that belongs together, read alike whatever order they were written in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.audit.replay.test_plan import records
from tests.audit.tables import BOOK, HAIKU, call, table
from thriftgate.audit.calls import Calls
from thriftgate.audit.replay import partitions as module
from thriftgate.audit.replay.asks import Asked, asked
from thriftgate.audit.replay.partitions import Partition, Partitions, opened, partitions


def dealt_out(calls: Calls, count: int) -> Partitions:
    folder = calls.path.parent / "replay"
    folder.mkdir()
    return partitions(calls, count, folder)


def read(part: Partition, folder: Path) -> list[Asked]:
    scratch = folder / f"{part.files[0].parent.name}-{part.files[0].stem}"
    scratch.mkdir()
    with opened(part.files, scratch) as calls:
        return list(asked(calls, BOOK))


def told(one: Asked) -> tuple[object, ...]:
    return one.logged.upstream, one.logged.at_s, one.billed


def test_few_calls_are_one_partition(tmp_path: Path) -> None:
    with table(records()) as calls:
        found = dealt_out(calls, 180)
        assert found.dealt == ()
        assert len(read(found.sample, tmp_path)) == found.sample.calls == 180


def test_every_call_is_in_one_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_MAX", 60)
    with table(records()) as calls:
        every = Counter(map(told, asked(calls, BOOK)))
        dealt = dealt_out(calls, 180).dealt
        found = [read(part, tmp_path) for part in dealt]
    assert sorted(len(part) for part in found) == [90, 90] == [part.calls for part in dealt]
    assert Counter(told(one) for part in found for one in part) == every
    keys = [{one.logged.upstream for one in part} for part in found]
    assert not keys[0] & keys[1]  # no workspace in both


def test_one_large_workspace_is_shared_out_by_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTITION_CALLS", 20)
    monkeypatch.setattr(module, "WHOLE_MAX", 30)
    rows = [call(at, input=9, session=f"s{at % 7}") for at in range(70)]
    rows += [call(100 + at, input=9, session="t", key="other") for at in range(12)]
    with table(rows) as calls:
        found = [read(part, tmp_path) for part in dealt_out(calls, 82).dealt]
    sizes = sorted(len(part) for part in found)
    assert sum(sizes) == 82
    assert max(sizes) <= 30
    threads = [{int(one.logged.at_s) % 7 for one in part if not one.logged.key} for part in found]
    assert sum(len(part) for part in threads) == 7  # no session in two
    assert sum(any(one.logged.key for one in part) for part in found) == 1  # a small scope is not torn beside a large one


def test_a_session_of_any_size_is_never_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTITION_CALLS", 10)
    monkeypatch.setattr(module, "WHOLE_MAX", 5)
    rows = [call(at, input=9, session="huge" if at % 4 else f"s{at}", source=f"{at % 3}.jsonl") for at in range(80)]
    with table(rows) as calls:
        dealt = dealt_out(calls, 80).dealt
        found = [read(part, tmp_path) for part in dealt]
    assert sum(len(part) for part in found) == 80
    assert max(len(part) for part in found) >= 60


def test_a_sample_holds_whole_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_MAX", 900)
    rows = [call(at, input=9, session=f"s{at % 40}", agent=f"a{at % 3}") for at in range(400)]
    rows += [call(1_000 + at, input=9, key="k", model=HAIKU, at_us=10**15 + at * 60_000_000) for at in range(2_000)]
    with table(rows) as calls:
        found = dealt_out(calls, 2_400)
        with opened(found.sample.files, tmp_path) as sample:
            sessions = dict(sample.rows("select session, count(*) from calls where session <> '' group by session"))
            windows = "select at_us // 21600000000, count(*) from calls where session = '' group by 1"
            taken = dict(sample.rows(windows))
            assert sample.count("calls") == found.sample.calls <= 900
        every = dict(calls.rows(windows))
    assert 0 < len(sessions) < 40
    assert set(sessions.values()) == {10}
    assert 0 < len(taken) < len(every)
    assert all(every[window] == count for window, count in taken.items())


def test_a_sample_is_never_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_MAX", 10)
    with table([call(at, input=9, session="one") for at in range(30)]) as calls:
        found = dealt_out(calls, 30)
        assert len(read(found.sample, tmp_path)) == found.sample.calls == 30
        assert sum(part.calls for part in found.dealt) == 30


def test_what_is_read_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    rows = [call(at // 3, input=9 + at, source=f"{at % 3}.jsonl", session=f"s{at % 5}") for at in range(60)]
    ways = []
    for number, order in enumerate((rows, rows[::-1])):
        with table(order[:20], order[20:]) as calls:
            (tmp_path / str(number)).mkdir()
            ways.append(read(dealt_out(calls, 60).sample, tmp_path / str(number)))
    assert ways[0] == ways[1]
    assert len({one.logged.at_s for one in ways[0]}) < 60  # calls of the same moment are among them

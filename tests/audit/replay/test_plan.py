"""How the work is shared out, and that it makes no difference how."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.audit.replay.talks import Talks
from tests.audit.replay.test_asks import block, record
from tests.audit.tables import BOOK, MODELS, call, table
from thriftgate.audit.records import Record
from thriftgate.audit.replay import engines, partitions
from thriftgate.audit.replay.asks import asked
from thriftgate.audit.replay.partitions import Partition, Partitions
from thriftgate.audit.replay.plan import TOGETHER, Replays, jobs, replays
from thriftgate.audit.replay.policies import ALL, CACHE, KEEPALIVE, PINGS, SAFE, client_candidates, planner_candidates
from thriftgate.audit.replay.run import run
from thriftgate.audit.replay.work import Job
from thriftgate.core.stability.rewrite import LEVER as STABILISE

CANDIDATES = [
    *[one for one in planner_candidates(None) if one.name in (ALL, SAFE)],
    *[one for one in client_candidates() if one.name in ("habit-5m", "auto-5m", "auto-1h", "habit-1h")],
]
MAIN, OTHERS = CANDIDATES[:2], CANDIDATES[2:]


def records(sessions: int = 6) -> list[Record]:
    """Workspaces with sessions that share their heads."""
    found: list[Record] = []
    for number in range(sessions):
        billed = Talks(number, "system+tail", ("append", "pause", "open", "compact")).run(30)
        rows = [record(one, 1_000 * number + at) for at, one in enumerate(billed)]
        found += [replace(one, workspace=f"w{number}") for one in rows]
    return found


def test_few_calls_are_all_replayed_under_all_policies() -> None:
    whole = Partition((), 9)
    found = jobs(Partitions((), whole), MAIN, OTHERS)
    assert [job.partition for job in found] == [whole] * 3
    assert sorted(one.name for job in found for one in job.candidates) == sorted(one.name for one in CANDIDATES)
    assert [job.whole for job in found] == [True, False, False]
    assert [job.explain for job in found].count(True) == 1


def test_of_many_calls_the_others_see_a_sample() -> None:
    dealt, sample = [Partition((), size) for size in (7, 8, 9)], Partition((), 2)
    found = jobs(Partitions(tuple(dealt), sample), MAIN, OTHERS)
    assert [job.partition for job in found[:3]] == dealt
    assert all(job.whole and list(job.candidates) == MAIN and not job.explain for job in found[:3])
    samples = found[3:]
    assert [(job.partition, job.explain, job.whole) for job in samples] == [(sample, True, False), (sample, False, False)]
    assert {one.name for job in samples for one in job.candidates} == {one.name for one in OTHERS}


def test_no_run_holds_more_than_some_policies() -> None:
    many = client_candidates()
    assert len(many) > 2 * TOGETHER
    found = jobs(Partitions((), Partition((), 9)), MAIN, many)[1:]
    assert max(len(job.candidates) for job in found) <= TOGETHER
    assert sorted(one.name for job in found for one in job.candidates) == sorted(one.name for one in many)


def same(one: Replays, other: Replays) -> None:
    assert one.whole == other.whole
    assert one.sample == other.sample


def test_parts_and_processes_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = records()
    with table(rows) as calls:
        expected = run(asked(calls, BOOK), CANDIDATES, BOOK, MODELS)
        alone = replays(calls, BOOK, MODELS, CANDIDATES)
    assert not alone.sampled
    assert alone.whole.observed == alone.sample.observed == expected.observed
    assert {**alone.whole.tallies, **alone.sample.tallies} == expected.tallies
    assert alone.sample.misses == expected.misses
    monkeypatch.setattr(engines, "PARALLEL_CALLS", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with table(rows) as calls:
        same(replays(calls, BOOK, MODELS, CANDIDATES), alone)


def test_shards_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workspaces share nothing, so dealing them out changes no sum. (The planner's classes of prompts learn from what they
    see: its sums may differ a little.)"""
    monkeypatch.setattr(partitions, "WHOLE_MAX", 60)
    with table(records(10)) as calls:
        expected = run(asked(calls, BOOK), CANDIDATES, BOOK, MODELS)
        found = replays(calls, BOOK, MODELS, CANDIDATES)
    assert found.sampled
    assert found.whole.observed.pico == expected.observed.pico
    assert found.whole.as_is.pico == expected.as_is.pico
    assert found.whole.plain.pico == expected.plain.pico
    assert found.whole.differing == expected.differing
    assert found.whole.tallies[ALL].pico == pytest.approx(expected.tallies[ALL].pico, rel=0.05)
    assert 0 < found.sample.observed.calls <= 60 < found.whole.observed.calls == 300
    assert set(found.sample.tallies) == {one.name for one in OTHERS}


def test_what_is_compared_is_replayed_over_the_same_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lever's share is the difference of two replays, so both are in the sample, whatever sees all calls besides."""
    names = (ALL, SAFE, KEEPALIVE, f"{CACHE}:ttl-only", f"{CACHE}:full")
    chosen = [one for one in planner_candidates(None) if one.name in names]
    monkeypatch.setattr(partitions, "WHOLE_MAX", 60)
    with table(records(10)) as calls:
        found = replays(calls, BOOK, MODELS, chosen)
    assert set(found.sample.tallies) == set(names)
    assert set(found.whole.tallies) == {ALL, SAFE, f"{CACHE}:ttl-only"}
    assert len({tally.calls for tally in found.sample.tallies.values()}) == 1


def test_rewritten_prompts_are_replayed_where_there_are_any() -> None:
    chosen = [one for one in planner_candidates(None) if one.name in (SAFE, STABILISE)]
    prompt, other = (block("s", 900), block("a", 2_000)), (block("t", 900), block("b", 2_000))
    with table([call(0, input=2_000, prompt=prompt)]) as calls:
        assert set(replays(calls, BOOK, MODELS, chosen).whole.tallies) == {SAFE}
    with table([call(0, input=2_000, prompt=prompt), call(1, input=2_000, prompt=prompt, stabilised=other)]) as calls:
        found = replays(calls, BOOK, MODELS, chosen)
    assert found.sample.tallies[STABILISE].rewritten == 1


def test_a_part_has_its_part_of_what_pings_may_cost() -> None:
    pinging = next(one for one in planner_candidates(None) if one.name == KEEPALIVE)
    one = Partition((), 9)
    shard, _, sample, _ = jobs(Partitions((one, one), one, share=0.25), MAIN, OTHERS)
    for job, day, key in ((shard, 0.5, 1.0), (sample, 0.25, 0.25), (Job(one, (), False, True, "all"), 1.0, 1.0)):
        bounds = job.candidate(pinging).pings
        assert bounds == replace(PINGS, day_pico=int(day * PINGS.day_pico), key_day_pico=int(key * PINGS.key_day_pico))
    assert jobs(Partitions((), one), MAIN, OTHERS)[0].share == 1.0

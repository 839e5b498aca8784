"""How a job book must group jobs that share a prompt prefix, and what becomes of the groups. See `check_jobs`."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any

from msgspec.structs import replace

from tests.contracts.check_jobs import MISSING, RUN, Books, Check, Opener, batch_of, body_of, bound_of, job_of, leased
from thriftgate.ledger.jobs import Group, Lease

Prompt = tuple[tuple[bytes, int], ...]
"""The boundaries of one job: digest, and tokens before it, shallow to deep."""


async def add(books: Books, lease: Lease, prompts: dict[int, Prompt]) -> None:
    bounds = [bound_of(seq, digest, tokens) for seq, prompt in prompts.items() for digest, tokens in prompt]
    await books.jobs.add_jobs(lease, 0, [job_of(seq, run=lease.run) for seq in prompts], bounds)


async def grouped(books: Books, run_id: str = RUN.id) -> dict[int, bytes]:
    """The digest under which each job is grouped."""
    digests = {group.id: group.digest for group in await books.jobs.wave(run_id, 0)}
    return {job.seq: digests[job.grp] for job in await books.jobs.in_order(run_id, MISSING, 10_000) if job.grp}


async def each_job_is_grouped_where_it_saves_most(opener: Opener) -> None:
    """Five share 1,000 tokens: each saves 800 of them. Two of those share 1,500: 750. Two others share 2,000: 1,000."""
    books = opener.open()
    lease = await leased(books)
    s, near, far = (b"s", 1_000), (b"near", 1_500), (b"far", 2_000)
    await add(books, lease, {1: (s,), 2: (s, near), 3: (s, near), 4: (s, far), 5: (s, far), 6: ((b"own", 9_000),), 7: ()})
    assert await books.jobs.group(lease, 0) == 2
    assert await grouped(books) == {1: b"s", 2: b"s", 3: b"s", 4: b"far", 5: b"far"}
    first, second = await books.jobs.wave(RUN.id, 0)
    assert first == Group(RUN.id, 1, b"s", "m", 3, 1_000, 10)
    assert second == Group(RUN.id, 2, b"far", "m", 2, 2_000, 10)
    assert [one.seq for one in await books.jobs.waiting(RUN.id, 0, after=MISSING, limit=9)] == [6, 7]
    await books.ledger.close()


async def one_that_would_be_alone_stays_out(opener: Opener) -> None:
    """Two share 300 tokens with a third, and 1,000 with each other: what the third shares, nobody else is grouped by."""
    books = opener.open()
    lease = await leased(books)
    s, deep = (b"s", 300), (b"deep", 1_000)
    await add(books, lease, {1: (s,), 2: (s, deep), 3: (s, deep)})
    assert await books.jobs.group(lease, 0) == 1
    assert await grouped(books) == {2: b"deep", 3: b"deep"}
    await books.ledger.close()


async def a_group_tells_what_its_jobs_add(opener: Opener) -> None:
    """The rest of a job is the mean of all that share the boundary."""
    books = opener.open()
    lease = await leased(books)
    bounds = [bound_of(1, b"d", 500, rest=10), bound_of(2, b"d", 502, rest=21), bound_of(3, b"d", 501, rest=30)]
    await books.jobs.add_jobs(lease, 0, [job_of(seq) for seq in (1, 2, 3)], bounds)
    await books.jobs.group(lease, 0)
    assert await books.jobs.wave(RUN.id, 0) == [Group(RUN.id, 1, b"d", "m", 3, 502, 20)]
    await books.ledger.close()


async def groups_are_made_of_those_that_came_since(opener: Opener) -> None:
    """Jobs that come later never join an earlier group, all of which may be sent: they would wait for ever."""
    books = opener.open()
    lease = await leased(books)
    s, deep = (b"s", 300), (b"deep", 1_000)
    await add(books, lease, {1: (s,), 2: (s,)})
    assert await books.jobs.group(lease, 0) == 1
    assert await books.jobs.group(lease, 0) == 1
    await add(books, lease, {3: (s,)})
    assert await books.jobs.group(lease, 0) == 1  # one alone is no group
    await add(books, lease, {4: (s,), 5: (s, deep), 6: (s, deep)})
    assert await books.jobs.group(lease, 0) == 2
    found = {job.seq: job.grp for job in await books.jobs.in_order(RUN.id, MISSING, 9)}
    assert found == {1: 1, 2: 1, 3: 0, 4: 0, 5: 2, 6: 2}
    await add(books, lease, {7: (s,), 8: (s,), 9: (s,)})
    assert await books.jobs.group(lease, 0) == 3
    assert [(one.id, one.digest, one.items) for one in await books.jobs.wave(RUN.id, 0)] == [
        (1, b"s", 2),
        (2, b"deep", 2),
        (3, b"s", 3),
    ]
    assert {job.grp for job in await books.jobs.jobs(RUN.id, [7, 8, 9])} == {3}
    await books.ledger.close()


async def runs_are_grouped_each_by_itself(opener: Opener) -> None:
    books = opener.open()
    one, two = await leased(books), await leased(books, replace(RUN, id="run_b"))
    s = (b"s", 300)
    await add(books, one, {1: (s,), 2: (s,)})
    theirs = [job_of(seq, run=two.run) for seq in (1, 2, 3)]
    await books.jobs.add_jobs(two, 0, theirs, [bound_of(job.seq, *s, 90) for job in theirs])
    await add(books, one, {3: ()})
    assert await books.jobs.group(one, 0) == 1
    assert [(group.items, group.rest_tokens) for group in await books.jobs.wave(RUN.id, 0)] == [(2, 10)]
    assert (await grouped(books), await grouped(books, "run_b")) == ({1: b"s", 2: b"s"}, {})
    assert await books.jobs.group(two, 0) == 1
    assert [(group.items, group.rest_tokens) for group in await books.jobs.wave("run_b", 0)] == [(3, 90)]
    await books.ledger.close()


async def a_job_of_a_queue_is_grouped_by_its_number(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    for name in "ab":
        await books.jobs.enqueue(lease.run, job_of(0, name=name), body_of(), [bound_of(99, b"d", 500)])
    assert await books.jobs.group(lease, 0) == 1
    assert await grouped(books) == {1: b"d", 2: b"d"}
    for name in "cd":
        await books.jobs.enqueue(lease.run, job_of(0, name=name), body_of())
    await books.jobs.add_bounds(lease, 0, [bound_of(3, b"e", 500), bound_of(4, b"e", 500)])
    assert await books.jobs.group(lease, 0) == 2
    assert await grouped(books) == {1: b"d", 2: b"d", 3: b"e", 4: b"e"}
    await books.ledger.close()


async def what_is_no_longer_waiting_is_left_alone(opener: Opener) -> None:
    books = opener.open()
    lease = await leased(books)
    bounds = [bound_of(seq, b"d", 500) for seq in (1, 2, 3)]
    await books.jobs.add_jobs(lease, 0, [job_of(1), job_of(2, state="direct"), job_of(3, grp=9)], bounds)
    await books.jobs.group(lease, 0)
    assert [job.grp for job in await books.jobs.in_order(RUN.id, MISSING, 9)] == [1, 0, 9]
    await books.ledger.close()


def forest(seed: int) -> dict[int, Prompt]:
    """Prompts that branch: a boundary stands for the whole path to it, as the digest of a prefix does."""
    random = Random(seed)
    prompts: dict[int, Prompt] = {}
    for seq in range(1, random.randint(2, 40)):
        path, tokens = "", 0
        bounds: list[tuple[bytes, int]] = []
        for _ in range(random.randint(0, 4)):
            path += random.choice("aab")
            tokens += 101 + 7 * len(path) + sum(map(ord, path)) % 13
            bounds.append((path.encode(), tokens))
        prompts[seq] = tuple(bounds)
    return prompts


async def any_prompts_are_grouped_as_by_hand(opener: Opener) -> None:
    """Against the rule, spelled out: a boundary shared by n saves its tokens less an n-th of them."""
    for seed in range(30):
        run_id = f"run_{seed}"
        books, prompts = opener.open(), forest(seed)
        lease = await leased(books, replace(RUN, id=run_id))
        await add(books, lease, prompts)
        made = await books.jobs.group(lease, 0)
        sharing: dict[bytes, set[int]] = defaultdict(set)
        for seq, prompt in prompts.items():
            for digest, _ in prompt:
                sharing[digest].add(seq)
        best = {
            seq: max(
                ((tokens * (1 - 1 / len(sharing[digest])), digest) for digest, tokens in prompt if len(sharing[digest]) > 1),
                default=None,
            )
            for seq, prompt in prompts.items()
        }
        choosing: dict[bytes, set[int]] = defaultdict(set)
        for seq, found in best.items():
            if found is not None:
                choosing[found[1]].add(seq)
        groups = {digest: seqs for digest, seqs in choosing.items() if len(seqs) > 1}
        assert made == len(groups)
        assert await grouped(books, run_id) == {seq: digest for digest, seqs in groups.items() for seq in seqs}
        assert {one.digest: one.items for one in await books.jobs.wave(run_id, 0)} == {
            digest: len(seqs) for digest, seqs in groups.items()
        }
        await books.ledger.close()


# --- what becomes of groups -----------------------------------------------------------------------------------------------


def group_of(group_id: int, **members: Any) -> Group:
    return replace(Group(RUN.id, group_id, b"%d" % group_id, "m", 2, 500, 10), **members)


async def groups_are_found_by_state_way_and_wave(opener: Opener) -> None:
    books = opener.open()
    jobs, lease = books.jobs, await leased(books)
    assert await jobs.last_wave(RUN.id) == 0
    made = [
        group_of(1, wave=2, state="primed", way="primed", ttl="1h", leads=1),
        group_of(2, wave=1, state="primed", way="primed"),
        group_of(3),
        group_of(4, wave=2, state="sent", way="primed"),
    ]
    await jobs.set_groups(lease, 0, made)
    assert await jobs.groups(RUN.id, 9, state="primed", way="primed") == [made[1], made[0]]
    assert await jobs.groups(RUN.id, 1, state="primed", way="primed") == [made[1]]
    assert await jobs.groups(RUN.id, 9, state="cold", way="") == [made[2]]
    assert await jobs.wave(RUN.id, 2) == [made[0], made[3]]
    assert await jobs.last_wave(RUN.id) == 2
    await jobs.set_groups(lease, 0, [replace(made[0], state="sent")])
    assert await jobs.groups(RUN.id, 9, state="sent", way="primed") == [replace(made[0], state="sent"), made[3]]
    assert await jobs.last_wave("run_x") == 0
    await books.ledger.close()


async def groups_whose_jobs_wait_again_begin_anew(opener: Opener) -> None:
    """After a worker died: unless the batch that writes their prefix is still under way. After too many tries they go
    plain."""
    books = opener.open()
    jobs, lease = books.jobs, await leased(books)
    made = [
        group_of(1, wave=1, state="leading", way="primed", leads=1),
        group_of(2, wave=2, state="leading", way="primed", leads=1),
        group_of(3, wave=1, state="sent", way="primed", leads=3),
        group_of(4, wave=1, state="sent", way="primed", leads=1),
        group_of(5, wave=1, state="sent", way="plain"),
        group_of(6, wave=1, state="primed", way="primed", leads=1),
    ]
    await jobs.set_groups(lease, 0, made)
    rows = [job_of(number, grp=number, state="done" if number == 4 else "waiting") for number in range(1, 7)]
    await jobs.add_jobs(lease, 0, rows)
    await jobs.set_batch(lease, 0, batch_of("tgb_1", role="lead", wave=1, state="dropped"))
    await jobs.set_batch(lease, 0, batch_of("tgb_2", role="lead", wave=2, state="doubtful"))
    await jobs.set_batch(lease, 0, batch_of("tgb_3", role="follow", wave=1, state="running"))
    assert await jobs.recall(lease, 0, 3) == 2
    found = [*await jobs.wave(RUN.id, 1), *await jobs.wave(RUN.id, 2)]
    assert {one.id: (one.state, one.way) for one in found} == {
        1: ("cold", "primed"),
        2: ("leading", "primed"),
        3: ("cold", "plain"),
        4: ("sent", "primed"),
        5: ("sent", "plain"),
        6: ("primed", "primed"),
    }
    await books.ledger.close()


async def the_jobs_of_groups_part_ways(opener: Opener) -> None:
    books = opener.open()
    jobs, lease = books.jobs, await leased(books)
    ways = {1: "plain", 2: "calls", 3: "primed", 4: ""}
    await jobs.set_groups(lease, 0, [group_of(number, way=way) for number, way in ways.items()])
    rows = [job_of(10 * grp + at, grp=grp) for grp in range(5) for at in (1, 2)]
    await jobs.add_jobs(lease, 0, [*rows, job_of(13, grp=1, state="packed"), job_of(23, grp=2, state="done")])
    assert await jobs.part_ways(lease, 0) == 2
    found = {job.seq: (job.grp, job.state) for job in await jobs.in_order(RUN.id, MISSING, 99)}
    assert [found[seq] for seq in (1, 11, 12, 13)] == [(0, "waiting")] * 3 + [(1, "packed")]
    assert [found[seq] for seq in (21, 22, 23)] == [(0, "direct")] * 2 + [(2, "done")]
    assert [found[seq] for seq in (31, 32, 41, 42)] == [(3, "waiting")] * 2 + [(4, "waiting")] * 2
    assert await jobs.part_ways(lease, 0) == 0
    await books.ledger.close()


CHECKS: tuple[Check, ...] = (
    each_job_is_grouped_where_it_saves_most,
    one_that_would_be_alone_stays_out,
    a_group_tells_what_its_jobs_add,
    groups_are_made_of_those_that_came_since,
    runs_are_grouped_each_by_itself,
    a_job_of_a_queue_is_grouped_by_its_number,
    what_is_no_longer_waiting_is_left_alone,
    any_prompts_are_grouped_as_by_hand,
    groups_are_found_by_state_way_and_wave,
    groups_whose_jobs_wait_again_begin_anew,
    the_jobs_of_groups_part_ways,
)

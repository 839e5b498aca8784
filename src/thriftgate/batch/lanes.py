"""Which jobs leave next, and how: plain batches, and waves of leaders and followers that share prefixes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from thriftgate.batch.fetching import Fetched
from thriftgate.batch.posting import Lane
from thriftgate.batch.waves import Sharing, choose, ttl_of, wave_requests, ways
from thriftgate.batch.work import Work
from thriftgate.core.cost import day_of
from thriftgate.core.placement import Ratios, ratios_of
from thriftgate.core.prices import Terms
from thriftgate.ledger.jobs import BatchRow, Group

LEADS_MAX = 3  # tries to write a prefix before its jobs go without
_GROUPS = 1000


class Lanes:
    """The order of a run. Leaders write; when their batch is booked, their followers are due."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._plain_left = True
        self._cold_left = True
        self._lead_s: dict[int, float] = {}

    def woken(self) -> None:
        """Jobs came, or wait again: look anew."""
        self._plain_left = self._cold_left = True

    async def decide(self) -> int:
        """Choose the cheapest way for each group that has none yet, and begin those anew that a killed process left behind.
        Returns how many jobs are to be called synchronously."""
        work = self._work
        await self._recall()
        while groups := await work.book.groups(work.lease.run, _GROUPS, state="cold", way=""):
            await self._set([self._decided(group) for group in groups])
        self.woken()
        return await work.book.part_ways(work.lease, work.now_us())

    async def next(self) -> Lane | None:
        """What is to be packed next; None if nothing is waiting that may leave now. Ask again after a lane gave no batch."""
        work, run = self._work, self._work.lease.run
        primed = await work.book.groups(run, _GROUPS, state="primed", way="primed")
        if primed:
            wave = primed[0].wave
            return Lane("follow", [group for group in primed if group.wave == wave], wave)
        if self._cold_left and self._open_waves() < work.options.waves:
            lane = await self._lead()
            if lane is not None:
                return lane
            self._cold_left = False
        return Lane("plain", ()) if self._plain_left else None

    async def emptied(self, lane: Lane) -> None:
        """No job of this lane is waiting any more."""
        if lane.role == "plain":
            self._plain_left = False
        else:
            await self._set([replace(group, state="sent") for group in lane.groups])
            await self._recall()  # where a leader could not be sent, its followers still wait

    async def posted(self, lane: Lane, groups: Collection[int]) -> None:
        """A batch with jobs of these groups of the lane is written ahead."""
        if lane.role == "lead":
            self._lead_s[lane.wave] = self._work.clock.now_s()
            led = [group for group in lane.groups if group.id in groups]
            await self._set([replace(group, state="leading", leads=group.leads + 1) for group in led])

    async def dropped(self, batch: BatchRow) -> None:
        """A batch came to nothing; its jobs wait again."""
        self.woken()
        if batch.role == "lead":
            await self._after(batch.wave, frozenset())
        elif batch.role == "follow":
            groups = await self._wave(batch.wave)
            await self._set([self._led(group) for group in groups if group.state in ("primed", "sent")])
        await self._recall()

    async def booked(self, batch: BatchRow, counts: Fetched) -> None:
        """A batch is through: its followers are due, or its wave has told something."""
        work = self._work
        if counts.returned:
            self.woken()
        if batch.role == "lead":
            await self._after(batch.wave, frozenset(counts.led))
        elif batch.role == "follow":
            ttl = next((group.ttl for group in await self._wave(batch.wave) if group.ttl), None)
            work.reads.learn(ttl or "1h", counts.reads, counts.followers)
            started_s = self._lead_s.pop(batch.wave, batch.made_us / 1e6)
            work.reads.learn_pace(batch.jobs, (batch.ended_us - batch.created_us) / 1e6, work.clock.now_s() - started_s)
        if counts.returned:
            await self._recall()

    async def _lead(self) -> Lane | None:
        """The next wave: as many cold groups as are sent within half the life of their prefixes."""
        work = self._work
        cold = await work.book.groups(work.lease.run, _GROUPS, state="cold", way="primed")
        chosen: list[Group] = []
        requests = 0
        wave = await work.book.last_wave(work.lease.run) + 1
        for group in cold:
            sharing = Sharing(group.items, group.prefix_tokens, group.rest_tokens)
            ratios = self._ratios(group)
            best = next(way for way in ways(sharing, ratios, work.reads) if way.lane == "batch")
            ttl = ttl_of(work.reads, best, sharing, ratios)
            if chosen and (requests + group.items > wave_requests(work.reads, ttl) or ttl != chosen[0].ttl):
                break
            requests += group.items
            chosen.append(replace(group, ttl=ttl, wave=wave))
        return Lane("lead", chosen, wave, each=1) if chosen else None

    def _decided(self, group: Group) -> Group:
        work = self._work
        minimum = work.planner.knowledge.models[group.model].cache_min_tokens
        sharing = Sharing(group.items, group.prefix_tokens, group.rest_tokens)
        best = choose(sharing, self._ratios(group), work.reads, minimum=minimum)
        if best.lane == "plain" or not work.options.prime or group.leads >= LEADS_MAX:
            return replace(group, way="plain")
        return replace(group, way="calls" if best.lane == "calls" else "primed", ttl=best.ttl or "1h")

    def _ratios(self, group: Group) -> Ratios:
        book, now_s = self._work.desk.book, self._work.clock.now_s()
        return ratios_of(book.rates(Terms(group.model, day_of(now_s), "batch"), group.prefix_tokens + group.rest_tokens))

    async def _after(self, wave: int, primed: frozenset[int]) -> None:
        """The leaders of a wave are back: groups whose prefix was written are primed, the others are cold again."""
        groups = [group for group in await self._wave(wave) if group.state == "leading"]
        await self._set([self._led(group) if group.id in primed else self._cooled(group) for group in groups])
        await self._work.book.part_ways(self._work.lease, self._work.now_us())
        self.woken()

    async def _recall(self) -> None:
        """Groups whose jobs wait for nothing begin anew: their followers came back, or a killed process forgot them. Jobs
        that came back to a group which goes plain by now do so too."""
        work = self._work
        await work.book.recall(work.lease, work.now_us(), LEADS_MAX)
        await work.book.part_ways(work.lease, work.now_us())
        self.woken()

    async def _wave(self, wave: int) -> Sequence[Group]:
        return await self._work.book.wave(self._work.lease.run, wave)

    @staticmethod
    def _led(group: Group) -> Group:
        return replace(group, state="primed")

    @staticmethod
    def _cooled(group: Group) -> Group:
        return replace(group, state="cold", way="plain" if group.leads >= LEADS_MAX else "primed")

    def _open_waves(self) -> int:
        return len({batch.wave for batch in self._work.batches.values() if batch.role != "plain"})

    async def _set(self, groups: Sequence[Group]) -> None:
        if groups:
            await self._work.book.set_groups(self._work.lease, self._work.now_us(), groups)

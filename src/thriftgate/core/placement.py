"""Where to put cache breakpoints, and for how long: the choice of least expected cost, given what each prefix may expect.

All money is in units of one input token at the base price; `Ratios` says what a write and a read cost in it. The bill is
linear between boundaries, so only boundaries that matter are candidates. With A the live prefix, the choice is B and C
beyond it: up to B written for an hour, from B to C for five minutes, nothing behind C.

    a segment of n tokens beyond A that is used again within five minutes with p5, within the hour with p1, and is worth W
    a token to the request that finds it live:
        5m    n * (p5 * W5 - (w5 - 1))
        1h    n * (p1 * W1 - (w1 - 1))
    1h at B keeps the whole prefix alive for the hour, though only what is beyond A is paid for:
        + (p1 - p5) * (w5 - r) * (live tokens that no hour entry keeps) * (turns for which that counts)

Billing and life of entries: platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from math import sqrt
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.cache import Breakpoint, CacheRules, Residency, Resident, within_reach
from thriftgate.core.hazards import chance_by
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Rates
from thriftgate.core.reuse import Outlook, Prospect

CANDIDATES_MAX = 8
TURNS_MAX = 50.0  # how far ahead a conversation is counted on, however long the ones before it were

CacheMode = Literal["observe", "ttl-only", "add", "full"]


class Ratios(Struct, frozen=True):
    """Prices as multiples of the input price: writes for five minutes and an hour, reads."""

    write_5m: float = 1.25
    write_1h: float = 2.0
    read: float = 0.1

    @property
    def rewrite(self) -> float:
        """What a token costs more where it must be written again instead of being read."""
        return self.write_5m - self.read


def ratios_of(rates: Rates) -> Ratios:
    """The ratios of a rate card. A model that costs nothing gets the usual ones."""
    if not rates.input:
        return Ratios()
    return Ratios(rates.write_5m / rates.input, rates.write_1h / rates.input, rates.read / rates.input)


class Placement(NamedTuple):
    """The breakpoints, in order; what those behind the live part are expected to save against sending that part plain, the
    client's own among them where they are kept (input tokens at the base price, the uses to come included); and how many
    tokens are live."""

    marks: tuple[Breakpoint, ...]
    gain: float
    live_tokens: int


class _Held(Struct, frozen=True, gc=False):
    at: int
    entry: Resident


class _Prompt(NamedTuple):
    """The prompt, what of it is believed to be held, what of that is live, and what of that for an hour (all shallow to
    deep), and under which rules."""

    prefix: Prefix
    cumulative: Sequence[int]
    outlook: Outlook
    held: Sequence[_Held]
    alive: Sequence[_Held]
    hours: Sequence[_Held]
    now_s: float
    minimum: int
    rules: CacheRules

    @property
    def hit(self) -> int:
        """Index of the deepest live block, -1 without one."""
        return self.alive[-1].at if self.alive else -1


class _Standing(NamedTuple):
    """What is cached of the prompt, in tokens: what can be read, what of it an hour entry keeps, what another request is
    writing; and whether something can be written for an hour."""

    depth: int
    hour_depth: float
    pending_depth: int
    takes_hour: bool


class _Choice(NamedTuple):
    """Indices of B and C among the candidates beyond A (-1: none) and what they are expected to save."""

    hour: int
    last: int
    gain: float


def place(
    prefix: Prefix,
    cumulative: Sequence[int],
    outlook: Outlook,
    residency: Residency,
    *,
    now_s: float,
    ratios: Ratios,
    minimum: int,
    rules: CacheRules,
    client: Sequence[Breakpoint] = (),
    mode: CacheMode = "full",
) -> Placement:
    """Choose at most `rules.breakpoints_max` breakpoints.

    `client` are those the client set. Mode `ttl-only` keeps their places and at most lengthens their life; `add` keeps them
    and uses free slots; `full` places anew. Without any all modes but `observe` place anew.
    """
    if mode == "observe":
        return Placement(tuple(client), 0.0, 0)
    kept = () if mode == "full" else tuple(client)
    slots = rules.breakpoints_max
    fixed = bool(kept) and (mode == "ttl-only" or len(kept) >= slots)
    candidates = [one for one in _places(outlook, kept, only=fixed) if cumulative[one.at] >= minimum]
    if not candidates:
        return Placement(kept, 0.0, 0)
    held = [_Held(at, residency[digest]) for at, digest in enumerate(prefix.chain) if digest in residency]
    alive = [one for one in held if one.entry.live(now_s)]
    hours = [one for one in alive if one.entry.ttl == "1h"]
    prompt = _Prompt(prefix, cumulative, outlook, held, alive, hours, now_s=now_s, minimum=minimum, rules=rules)
    free_at = _free_hour(prompt, {mark.at for mark in kept} if fixed else None)
    standing = _standing(prompt, free_at, candidates[-1])
    beyond = [one for one in candidates if one.at > prompt.hit][-CANDIDATES_MAX:]
    choice = _best(prompt, beyond, standing, ratios, kept)
    if choice.last < 0 and not prompt.alive and not kept:
        return Placement((), 0.0, 0)
    wanted = {mark.at for mark in kept}
    hour_at = beyond[choice.hour].at if choice.hour >= 0 else -1
    if not fixed:
        wanted |= {beyond[choice.last].at if choice.last >= 0 else prompt.hit} - {-1}
        if hour_at >= 0 and len(wanted) < slots:
            wanted.add(hour_at)
    hour_at = max([at for at in wanted if at <= hour_at] + [mark.at for mark in kept if mark.ttl == "1h"], default=-1)
    if hour_at <= prompt.hit and free_at is not None and (free_at in wanted or len(wanted) < slots):
        wanted.add(free_at)
        hour_at = max(hour_at, free_at)
    if not fixed:
        _fill(prompt, wanted, candidates)
    # Up to a live hour entry an hour costs nothing: what is read is not written, and what is vacant there is made for it.
    hour_at = max([hour_at, *(one.at for one in prompt.hours if kept or one.at in wanted)])
    marks = tuple([Breakpoint(at, "1h" if at <= hour_at else "5m") for at in sorted(wanted)])
    return Placement(marks, choice.gain, standing.depth)


def _places(outlook: Outlook, kept: Sequence[Breakpoint], *, only: bool) -> list[Prospect]:
    """Where a breakpoint may go, shallow to deep: the boundaries that matter and the client's own."""
    places = {one.at: one for one in outlook.prospects}
    own = {mark.at for mark in kept}
    for at in own - places.keys():
        prospect = outlook.at(at)
        if prospect is not None:
            places[at] = Prospect(at, prospect.curve, 0.0, prospect.last_s)
    return [places[at] for at in sorted(places) if at in own or not only]


def _free_hour(prompt: _Prompt, only: Set[int] | None) -> int | None:
    """The deepest block inside the live part where an hour entry can be had for nothing: what is read is not written, so a
    breakpoint there costs nothing, and where no entry stands it makes one. `only`: at one of these places."""
    rules = prompt.rules
    if not (rules.free_insert and rules.late_upgrade and rules.hour_granted):
        return None
    kept_at = max((one.at for one in prompt.hours), default=-1)
    standing = {one.at for one in prompt.held if one.entry.expires_s > prompt.now_s}
    for at in range(prompt.hit - 1, kept_at, -1):
        if prompt.cumulative[at] < prompt.minimum:
            return None
        if at not in standing and prompt.prefix.blocks[at].part.markable and (only is None or at in only):
            return at
    return None


def _standing(prompt: _Prompt, free_at: int | None, end: Prospect) -> _Standing:
    rules, cumulative = prompt.rules, prompt.cumulative
    pending = max([cumulative[one.at] for one in prompt.held if one.entry.usable_s > prompt.now_s], default=0)
    if not prompt.alive:
        return _Standing(0, 0.0, pending, rules.hour_granted)
    hit = prompt.alive[-1]
    hour_depth, hours = 0.0, prompt.hours
    if free_at is not None:
        hour_depth = cumulative[free_at]
    elif hours:
        renewed = rules.refresh != "hit_only" or hours[-1] is hit
        hour_depth = cumulative[hours[-1].at] * (1.0 if renewed else _share_kept(hours[-1], end, prompt.now_s))
    takes_hour = rules.hour_granted and (rules.late_upgrade or hit.entry.ttl == "1h")
    return _Standing(cumulative[hit.at], hour_depth, pending, takes_hour)


def _share_kept(one: _Held, end: Prospect, now_s: float) -> float:
    """Of the returns after five minutes and within the hour, the share that comes before the entry ends, if nothing renews
    it."""
    lapse = end.p1 - end.p5
    if lapse <= 0.0:
        return 0.0
    return max(0.0, min(1.0, (chance_by(end.curve, one.entry.expires_s - now_s) - end.p5) / lapse))


def _best(
    prompt: _Prompt, beyond: Sequence[Prospect], standing: _Standing, ratios: Ratios, kept: Sequence[Breakpoint]
) -> _Choice:
    """B and C of the greatest gain; neither before what the client's own breakpoints, if they are kept, reach."""
    cumulative, late_upgrade = prompt.cumulative, prompt.rules.late_upgrade
    turns = 1 / max(1 - prompt.outlook.again_1h, 1 / TURNS_MAX)
    exposed = max(0.0, standing.depth - standing.hour_depth) if late_upgrade else 0.0
    last_kept = max((mark.at for mark in kept), default=-1)
    hour_kept = max((mark.at for mark in kept if mark.ttl == "1h"), default=-1)
    c_min = sum(1 for one in beyond if one.at <= last_kept) - 1
    b_min = sum(1 for one in beyond if one.at <= hour_kept) - 1
    best = _Choice(-1, -1, 0.0) if c_min < 0 else None
    before, hour_sum = standing.depth, 0.0
    lengths: list[int] = []
    worths: list[tuple[float, float]] = []
    for one in beyond:
        lengths.append(cumulative[one.at] - before)
        before = cumulative[one.at]
        fresh = before > standing.pending_depth
        worths.append(_worth_of_a_hit(one, prompt.outlook, ratios) if fresh else (0.0, 0.0))
    for b in range(-1, len(beyond) if standing.takes_hour or b_min >= 0 else 0):
        value = 0.0
        if b >= 0:
            one = beyond[b]
            lapse = one.p1 - one.p5
            expected = one.p1 * worths[b][1] if standing.takes_hour else one.p5 * worths[b][0]
            if standing.takes_hour and not late_upgrade and worths[b][1]:
                expected += lapse * ratios.rewrite * (turns - 1)
            hour_sum += lengths[b] * (expected - (ratios.write_1h - 1))
            value = hour_sum + lapse * ratios.rewrite * exposed * _turns_protected(lapse, turns, ratios)
        for c in range(max(b, 0), len(beyond)):
            if c > b:
                value += lengths[c] * (beyond[c].p5 * worths[c][0] - (ratios.write_5m - 1))
            if b >= b_min and c >= c_min and (best is None or value > best.gain):
                best = _Choice(b, c, value)
    return best or _Choice(b_min, c_min, 0.0)


def _worth_of_a_hit(one: Prospect, outlook: Outlook, ratios: Ratios) -> tuple[float, float]:
    """What a token is worth to the next request if it finds it live, with five minutes and with an hour to go.

    Found live it is read at r and stays live; found dead it is sent plain, or written anew. With the chances p5 and p1 that
    the request after that comes in time (of what many share: always the same), the worths solve

        W5 = min(1 + p5 W5, w5) - r           W1 = min(1 + p1 W1, w5 + (p1 - p5) W1, w1) - r
    """
    shared = one.parts > 0 and one is not outlook.prospects[-1]
    p5, p1 = (one.p5, one.p1) if shared else (outlook.again_5m, outlook.again_1h)
    five = _fixed_point(1 - ratios.read, p5, ratios.rewrite)
    hour = min(_fixed_point(1 - ratios.read, p1, ratios.write_1h - ratios.read), _fixed_point(ratios.rewrite, p1 - p5, 9e9))
    return five, max(five, hour)


def _fixed_point(start: float, chance: float, ceiling: float) -> float:
    """The solution of W = start + chance * W, or the ceiling if that is lower."""
    return min(ceiling, start / (1 - chance)) if chance < 1.0 else ceiling


def _turns_protected(lapse: float, turns: float, ratios: Ratios) -> float:
    """For how many turns one upgrade counts, of those that are expected to come.

    Upgrading costs (w1 - w5) for the new tokens of a turn, waiting costs lapse * (w5 - r) a turn for all tokens since the
    last upgrade: with n tokens a turn the least cost is an upgrade every sqrt(2 (w1 - w5) / (lapse (w5 - r))) turns (the
    economic order quantity), and it is due when the loss of one turn, counted half that many times, exceeds its price.
    """
    if lapse <= 0.0:
        return 1.0
    period = sqrt(2 * (ratios.write_1h - ratios.write_5m) / (lapse * ratios.rewrite))
    return max(1.0, min(period / 2, turns))


def _fill(prompt: _Prompt, wanted: set[int], candidates: Sequence[Prospect]) -> None:
    """Use the slots that are left: first where look-back would miss the live prefix, then to renew the hour entry, then
    where others leave this request's way, the likeliest and longest first."""
    slots, deepest = prompt.rules.breakpoints_max, max(wanted)
    if prompt.alive and len(wanted) < slots:
        above = [at for at in wanted if at >= prompt.hit]
        if not above or prompt.hit not in set(within_reach(prompt.prefix, min(above), prompt.rules)):
            wanted.add(prompt.hit)
    hours = [one.at for one in prompt.hours if one.at < deepest]
    if hours and len(wanted) < slots:
        wanted.add(hours[-1])
    others = [one for one in candidates if one.at < deepest and one.at not in wanted and one.parts > 0]
    others.sort(key=lambda one: one.p5 * one.parts * prompt.cumulative[one.at], reverse=True)
    wanted |= {one.at for one in others[: max(0, slots - len(wanted))]}

"""Pings between the calls of a log: when they are sent, what they cost, what comes of them. Prices are those of Opus 4.8:
$5 input, $6.25 and $10 writes, $0.50 reads, $25 output per million tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.audit.replay.test_asks import asks, block
from tests.audit.tables import BOOK, MODELS, NOON_US, OPUS, call
from thriftgate.audit.records import Record
from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.replay.pings import Due, Paid, PingedReplay, Pinger, Silence
from thriftgate.audit.replay.policies import CACHE, KEEPALIVE, PINGS, planner_candidates
from thriftgate.audit.replay.run import Tally, run
from thriftgate.core.cache import Resident
from thriftgate.core.hazards import EDGES_S
from thriftgate.core.keepalive import Bounds
from thriftgate.core.placement import Ratios
from thriftgate.core.plan import Policy
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.engine.keepalive import EARLY_S
from thriftgate.engine.snapshot import Knowledge

MODEL = "claude-opus-4-8"
MICRO = 10**6  # pico-USD
CANDIDATES = {one.name: one for one in planner_candidates(None)}
FIRST = 20_000 * 25 // 4 + 100 * 25  # micro-USD: the first call writes 20,000 tokens and answers with 100
PING = 20_000 // 2 + 100 * 10 + 4 * 5  # reads the prefix, writes the answer for an hour, says hardly anything


def turn(number: int, at_s: int, stop: str = "end_turn", key: str = "k", **more: object) -> Record:
    """A turn of a conversation, 20,000 tokens longer than the one before and marked at its end; nothing is read."""
    blocks = tuple(block(f"{key}{at}", 20_000 * (at + 1), "5m" if at == number else "") for at in range(number + 1))
    told: dict[str, object] = {"model": MODEL, "session": key, "key": key, "output": 100, "stop_reason": stop, **more}
    return call(at_s, write_5m=20_000 * (number + 1), prompt=blocks, began_us=NOON_US + at_s * 1_000_000 + 1, **told)


def elsewhere(at_s: int) -> Record:
    """A call of another workspace: time passes."""
    return turn(0, at_s, key="other")


def both(*records: Record, book: PriceBook = BOOK) -> tuple[Tally, Tally]:
    """The same calls with pings and without."""
    chosen = [CANDIDATES[KEEPALIVE], CANDIDATES[f"{CACHE}:ttl-only"]]
    found = run(asks(*records), chosen, book, MODELS, explain=False).tallies
    return found[KEEPALIVE], found[f"{CACHE}:ttl-only"]


def test_a_pause_of_fifty_minutes() -> None:
    pinged, plain = both(turn(0, 0), turn(1, 3_000))
    assert plain.pico == (FIRST + 40_000 * 25 // 4 + 100 * 25) * MICRO
    assert pinged.pico == (FIRST + PING + 20_000 // 2 + 20_000 * 25 // 4 + 100 * 25) * MICRO
    assert (pinged.pings, pinged.pings_pico) == (1, PING * MICRO)
    assert sum(pinged.groups) == pinged.pico
    assert (pinged.calls, pinged.prompt, pinged.read) == (2, 60_000, 20_000)  # a ping is no call
    # what the lever saves: a re-write of 20,000 tokens becomes a read, less the ping
    assert plain.pico - pinged.pico == (20_000 * 23 // 4 - PING) * MICRO


def test_one_that_never_comes_back() -> None:
    pinged, plain = both(turn(0, 0), elsewhere(90_000))
    assert plain.pico == 2 * FIRST * MICRO
    assert pinged.pico - plain.pico == pinged.pings_pico == PING * MICRO  # an hour later nobody is expected any more
    assert pinged.pings == 1


def test_a_tool_call_can_only_be_renewed() -> None:
    """Five minutes more, for a read: at a twentieth of the input price ($4) that is worth it, at a tenth it is not."""
    assert both(turn(0, 0, "tool_use"), elsewhere(90_000))[0].pings == 0
    pinged, plain = both(turn(0, 0, "tool_use", model=OPUS), elsewhere(90_000))
    assert (pinged.pings, pinged.pico - plain.pico) == (1, (20_000 // 5 + 4 * 4) * MICRO)
    soon, late = (both(turn(0, 0, "tool_use", model=OPUS), turn(1, at_s, model=OPUS))[0] for at_s in (584, 585))
    assert (soon.read, late.read) == (20_000, 0)


def test_nothing_is_sent_before_it_is_due_nor_after_the_log() -> None:
    assert both(turn(0, 0), elsewhere(285))[0].pings == 0
    assert both(turn(0, 0), elsewhere(286))[0].pings == 1
    assert both(turn(0, 0))[0].pings == 0


def test_one_that_goes_on_is_not_pinged() -> None:
    pinged, plain = both(turn(0, 0), turn(1, 200), elsewhere(480))
    assert (pinged.pings, pinged.pico) == (0, plain.pico)
    assert both(turn(0, 0), turn(1, 200), elsewhere(486))[0].pings == 1


def test_a_batch_is_not_pinged() -> None:
    assert both(turn(0, 0, mode="batch"), elsewhere(90_000))[0].pings == 0


def test_two_parts_add_up() -> None:
    one, two = both(turn(0, 0), turn(1, 3_000))[0], both(turn(0, 0), elsewhere(90_000))[0]
    merged = one.merged(two)
    assert (merged.pings, merged.pings_pico, merged.pico) == (2, 2 * PING * MICRO, one.pico + two.pico)


# --- within bounds --------------------------------------------------------------------------------------------------------


def sent(bounds: Bounds, *records: Record, book: PriceBook = BOOK, lost: bool = False) -> list[Paid]:
    """The pings between these calls. `lost`: the provider has dropped what it held."""
    replay = PingedReplay(Knowledge(book, MODELS, quiet=True), Policy(levers=(CACHE,)), bounds)
    found: list[Paid] = []
    for one in asks(*records):
        found += replay.pings(one)
        answered(replay, one, lost=lost)
    return found


def answered(replay: PingedReplay, one: Asked, *, lost: bool) -> None:
    done = replay.cost(one.logged)
    replay.silent(one, BOOK.rates(Terms(one.model, 20_767), one.billed.prompt), done)
    if lost:
        for digest in one.prefix.chain:
            replay._held.discard(digest)


def test_one_that_finds_its_entry_gone_writes_it_and_is_the_last() -> None:
    calls = turn(0, 0), elsewhere(90_000)
    assert sent(PINGS, *calls) == [Paid(0, PING * MICRO)]
    assert sent(PINGS, *calls, lost=True) == [Paid(0, (20_100 * 10 + 4 * 5) * MICRO)]
    tool = turn(0, 0, "tool_use", model=OPUS), elsewhere(90_000)
    assert sent(PINGS, *tool) == [Paid(0, (20_000 // 5 + 4 * 4) * MICRO)]
    assert sent(PINGS, *tool, lost=True) == [Paid(0, (20_000 * 5 + 4 * 4) * MICRO)]


WORST = (20_100 * 10 + 4 * 5) * MICRO


@pytest.mark.parametrize(
    ("bounds", "pings"),
    [
        (replace(PINGS, day_pico=WORST), 1),
        (replace(PINGS, day_pico=WORST - 1), 0),
        (replace(PINGS, key_day_pico=WORST - 1), 0),
        (replace(PINGS, quiet=(12 * 60, 13 * 60)), 0),
        (replace(PINGS, quiet=(13 * 60, 14 * 60)), 1),
        (replace(PINGS, margin=9.0), 0),
        (replace(PINGS, hours_max=0.05), 0),
    ],
)
def test_bounds_hold(bounds: Bounds, pings: int) -> None:
    assert len(sent(bounds, turn(0, 0), elsewhere(90_000))) == pings


def test_the_caps_are_of_a_day_and_of_all_keys() -> None:
    """Both are due within the minute; the cap leaves room for the first, and what it cost."""
    two = turn(0, 0), turn(0, 20, key="l"), elsewhere(400)
    assert len(sent(replace(PINGS, day_pico=WORST + PING * MICRO), *two)) == 2
    assert len(sent(replace(PINGS, day_pico=WORST + PING * MICRO - 1), *two)) == 1
    assert len(sent(replace(PINGS, key_day_pico=WORST), *two)) == 2
    next_day = turn(0, 0), turn(0, 86_400, key="l"), elsewhere(90_000)
    assert len(sent(replace(PINGS, day_pico=WORST), *next_day)) == 2


def test_a_ping_on_a_day_without_a_price_is_not_sent() -> None:
    row = next(one for one in BOOK.rows if one.model == MODEL and one.mode == "standard")
    late = 86_400 // 2 - 100  # seconds after noon: it is due on the next day
    today = (NOON_US // 1_000_000) // 86_400
    short = PriceBook("short", (replace(row, until_day=today + 1),))
    both_days = PriceBook("long", (replace(row, until_day=today + 2),))
    calls = turn(0, late), elsewhere(late + 50)
    for book, pings in ((short, 0), (both_days, 1)):
        replay = PingedReplay(Knowledge(book, MODELS, quiet=True), Policy(levers=(CACHE,)), PINGS)
        first, _ = asks(*calls)
        answered(replay, first, lost=False)
        (after,) = asks(elsewhere(late + 900))
        assert len(list(replay.pings(after))) == pings


# --- the watch itself -----------------------------------------------------------------------------------------------------

LIKELY = tuple(min(0.99, 0.1 * at) for at in range(len(EDGES_S)))
SOON = (0.0, 0.0, 0.0, 0.1, 0.5, 0.9, *[0.95] * (len(EDGES_S) - 6))


def silence(number: int, at_s: float, fresh: int = 0, curve: Sequence[float] = LIKELY) -> Silence[int]:
    digest = number.to_bytes(2, "big")
    return Silence(
        number, ([digest], [10_000]), digest=digest, tokens=10_000, ttl="5m", at_s=at_s, curve=curve, ratios=Ratios(),
        fresh=fresh,
    )  # fmt: skip


def pinger(conversations_max: int = 100) -> Pinger[int]:
    return Pinger(lambda _chain: {}, Bounds(), conversations_max)


def taken(watch: Pinger[int], until_s: float) -> list[tuple[int, float]]:
    return [(due.silence.owner, due.at_s) for due in watch.due(until_s)]


def test_in_order_of_time_and_again() -> None:
    watch = pinger()
    for number, at_s in ((1, 10.0), (2, 0.0), (3, 400.0)):
        watch.watch(silence(number, at_s, curve=SOON))
    first = 300.0 - EARLY_S
    assert taken(watch, first) == []
    assert taken(watch, 400.0) == [(2, first), (1, first + 10)]
    assert taken(watch, 690.0) == [(2, 2 * first), (1, 2 * first + 10), (3, 400 + first)]


def test_what_is_given_up_is_not_pinged_again() -> None:
    watch = pinger()
    watch.watch(silence(1, 0.0))
    found: list[Due[int]] = []
    for due in watch.due(5_000.0):
        due.silence.gone = True
        found.append(due)
    assert [due.at_s for due in found] == [285.0]
    watch.watch(silence(2, 0.0))
    watch.moved_on([b"\0\2"])
    assert taken(watch, 5_000.0) == []


def test_an_answer_is_marked_for_an_hour_once() -> None:
    watch = pinger()
    watch.watch(silence(1, 0.0, fresh=50))
    found = [(due.at_s, due.ttl, due.ping.fresh) for due in watch.due(20_000.0)]
    assert found[:2] == [(285.0, "1h", 50), (285.0 + 3_585.0, "1h", 0)]


def test_memory_is_bounded() -> None:
    watch = pinger(3)
    for number in range(200):
        watch.watch(silence(number, number / 100))
    assert len(watch._watched) == 3
    assert len(watch._due) <= 7
    assert sorted({owner for owner, _ in taken(watch, 400.0)}) == [197, 198, 199]


def test_what_another_entry_holds_beyond_is_not_saved_again() -> None:
    """An entry of an hour on nearly all of the prefix: a return finds that in any case."""

    def chain(held: Sequence[bytes]) -> dict[bytes, Resident]:
        return {digest: Resident("1h", 0.0, 3_600.0) for digest in held if digest == b"head"}

    def watched(head: int) -> list[tuple[int, float]]:
        watch: Pinger[int] = Pinger(chain, Bounds(), 9)
        prompt = ([b"head", b"end"], [head, 10_000])
        one = Silence(
            1, prompt, digest=b"end", tokens=10_000, ttl="5m", at_s=0.0, curve=LIKELY, ratios=Ratios(), fresh=0
        )  # fmt: skip
        watch.watch(one)
        return taken(watch, 400.0)

    assert len(watched(100)) == 1
    assert watched(9_900) == []

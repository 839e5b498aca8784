"""What every ledger must do. A back end is checked by handing its opener to each of `CHECKS`.

An opener opens the same books each time it is called; `durable` says whether they outlive `close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import LedgerError
from thriftgate.core.misses import Cause, Miss
from thriftgate.core.plan import Decision
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.ledger.entries import BASELINE, SAVED, UPSTREAM, Entry, Hold, Ledger, MissSum, Posting, PromptSum, balanced

DOLLAR = 10**12
INTEGER_MAX = 2**63 - 1


class Opener(NamedTuple):
    """How to open one set of books."""

    open: Callable[[], Ledger]
    durable: bool


Check = Callable[[Opener], Awaitable[None]]


def hold_of(entry_id: str, **members: int | str) -> Hold:
    base = Hold(entry_id, opened_us=1, key="key_a", model="m", worst_pico=9, forecast_pico=5)
    return replace(base, **members)


def entry_of(entry_id: str, paid: int = DOLLAR, saved: int = 0, **members: object) -> Entry:
    """A settled call that balances."""
    base = Entry(
        id=entry_id,
        opened_us=1,
        settled_us=2,
        key="key_a",
        model="m",
        endpoint="e",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(),
        postings=balanced(paid + saved, paid, {"cache.breakpoints": saved} if saved else {}),
    )
    return replace(base, **members)


async def holds_are_open_until_settled(books: Opener) -> None:
    ledger = books.open()
    await ledger.hold(hold_of("a", worst_pico=7))
    await ledger.hold(hold_of("b"))
    assert [hold.id for hold in await ledger.open_holds()] == ["a", "b"]
    assert (await ledger.open_holds())[0] == hold_of("a", worst_pico=7)
    assert (await ledger.report()).open_holds == 2
    await ledger.settle(entry_of("a"))
    assert await ledger.open_holds() == [hold_of("b")]
    assert await ledger.entry("a") == entry_of("a")
    assert await ledger.entry("b") is None
    await ledger.close()


async def an_id_settles_once(books: Opener) -> None:
    ledger = books.open()
    await ledger.hold(hold_of("a"))
    await ledger.settle(entry_of("a", paid=3))
    with pytest.raises(LedgerError):
        await ledger.settle(entry_of("a", paid=4, saved=1))
    assert await ledger.entry("a") == entry_of("a", paid=3)
    report = await ledger.report()
    assert (report.calls, report.paid_pico, report.levers) == (1, 3, {})
    await ledger.close()


async def two_entries_for_one_id_at_once_book_one(books: Opener) -> None:
    ledger = books.open()
    results = await asyncio.gather(*(ledger.settle(entry_of("a", paid=n)) for n in range(1, 6)), return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, LedgerError) for result in results) == 4
    assert (await ledger.report()).paid_pico == results.index(None) + 1
    await ledger.close()


async def a_hold_id_is_used_once(books: Opener) -> None:
    ledger = books.open()
    await ledger.hold(hold_of("a", model="first"))
    with pytest.raises(LedgerError):
        await ledger.hold(hold_of("a", model="second"))
    assert [hold.model for hold in await ledger.open_holds()] == ["first"]
    await ledger.close()


async def an_unbalanced_entry_is_refused(books: Opener) -> None:
    ledger = books.open()
    with pytest.raises(LedgerError, match="does not balance: off by 1 pico-USD"):
        await ledger.settle(entry_of("a", postings=(Posting(BASELINE, 3), Posting(UPSTREAM, -2))))
    assert await ledger.entry("a") is None
    assert (await ledger.report()).calls == 0
    assert await ledger.unbalanced() == []
    await ledger.close()


async def entries_come_in_pages(books: Opener) -> None:
    ledger = books.open()
    for number in range(10):
        await ledger.settle(entry_of(f"id{number}", opened_us=number))
    seen: list[str] = []
    while page := await ledger.entries(after=seen[-1] if seen else "", limit=3):
        assert len(page) <= 3
        seen += [entry.id for entry in page]
    assert seen == [f"id{number}" for number in range(10)]
    assert [entry.id for entry in await ledger.entries(since_us=4, until_us=6)] == ["id4", "id5"]
    await ledger.close()


async def a_report_sums_by_everything(books: Opener) -> None:
    ledger = books.open()
    await ledger.settle(entry_of("a", paid=100, saved=30, opened_us=10))
    await ledger.settle(entry_of("b", paid=500, saved=-7, opened_us=20, model="n", key="key_b", usage_source="estimated"))
    void: dict[str, Any] = {"outcome": "failed", "resolution": "void", "usage_source": "none"}
    await ledger.settle(entry_of("c", paid=0, opened_us=30, model="o", **void))
    report = await ledger.report()
    assert (report.calls, report.estimated, report.baseline_pico, report.paid_pico) == (3, 1, 623, 600)
    assert report.levers == {"cache.breakpoints": 23}
    assert [(group.name, group.calls, group.baseline_pico, group.paid_pico) for group in report.by_model] == [
        ("n", 1, 493, 500),
        ("m", 1, 130, 100),
        ("o", 1, 0, 0),
    ]
    assert [(group.name, group.calls) for group in report.by_key] == [("key_b", 1), ("key_a", 2)]
    assert [(group.name, group.calls) for group in report.by_outcome] == [("answered", 2), ("failed", 1)]
    some = await ledger.report(since_us=20, until_us=30)
    assert (some.calls, some.paid_pico) == (1, 500)
    await ledger.close()


async def a_cache_report_sums_prompts_and_misses(books: Opener) -> None:
    ledger = books.open()
    day_us = 86_400_000_000
    expired = Miss("expired", 90, 7, "late", avoidable=True, gap_s=400.0)
    await ledger.settle(
        entry_of("a", opened_us=10, usage=Usage(Tokens(input=5, write_5m=95)), miss=Miss("cold", 100, 50, ""))
    )
    await ledger.settle(entry_of("b", opened_us=20, usage=Usage(Tokens(input=10, write_1h=90)), miss=expired))
    await ledger.settle(entry_of("c", opened_us=30, usage=Usage(Tokens(input=1, read=300)), model="n", key="key_b"))
    late = replace(expired, tokens=9, pico=2**62, avoidable=False)
    for number in range(3):  # their plain 64-bit sum is over the edge
        later: dict[str, Any] = {
            "opened_us": 40 + day_us,
            "served_model": "o",
            "usage": Usage(Tokens(input=200)),
            "miss": late,
        }
        await ledger.settle(entry_of(f"d{number}", **later))
    await ledger.settle(entry_of("e", opened_us=50, usage_source="none", resolution="void"))
    report = await ledger.cache_report((150, 250))
    assert report.total == PromptSum("", 6, read=300, write_5m=95, write_1h=90, plain=616, miss_pico=7 + 3 * 2**62)
    assert report.total.prompt == 1_101
    assert report.misses == (MissSum("expired", 4, 117, 7 + 3 * 2**62, 7), MissSum("cold", 1, 100, 50, 0))
    assert [(one.name, one.calls, one.prompt, one.miss_pico) for one in report.by_model] == [
        ("m", 5, 800, 7 + 3 * 2**62),
        ("n", 1, 301, 0),
    ]
    assert [(one.name, one.calls) for one in report.by_key] == [("key_a", 5), ("key_b", 1)]
    assert {(one.model, one.day, one.above_tokens): one.tokens for one in report.priced_alike} == {
        ("m", 0, 0): Tokens(input=15, write_5m=95, write_1h=90),
        ("n", 0, 250): Tokens(input=1, read=300),
        ("o", 1, 150): Tokens(input=600),
    }
    some = await ledger.cache_report((), since_us=20, until_us=31)
    assert (some.total.calls, some.misses) == (2, (MissSum("expired", 1, 90, 7, 7),))
    assert {one.above_tokens for one in some.priced_alike} == {0}
    nothing = await ledger.cache_report((150,), since_us=1, until_us=2)
    assert (nothing.total.calls, nothing.total.prompt, nothing.misses, nothing.by_model) == (0, 0, (), ())
    await ledger.close()


async def sums_do_not_overflow(books: Opener) -> None:
    """Three calls of 9 million dollars each: their plain 64-bit sum is over the edge."""
    ledger = books.open()
    nine_million = 9_000_000 * DOLLAR + 123_456_789_013
    for number in range(3):
        await ledger.settle(entry_of(f"a{number}", paid=nine_million - 1, saved=1))
    await ledger.settle(entry_of("b", paid=-7, saved=3))
    report = await ledger.report()
    assert report.baseline_pico == 3 * nine_million - 4
    assert report.paid_pico == 3 * (nine_million - 1) - 7
    assert report.levers == {"cache.breakpoints": 6}
    assert sum(group.paid_pico for group in report.by_model) == report.paid_pico
    assert await ledger.unbalanced() == []
    await ledger.close()


async def large_postings_within_one_entry_balance(books: Opener) -> None:
    """Whatever the order they are added up in."""
    ledger = books.open()
    half = 2**62
    postings = (Posting(BASELINE, half), Posting(SAVED + "a", half), Posting(SAVED + "b", -half), Posting(UPSTREAM, -half))
    await ledger.settle(entry_of("a", postings=postings))
    assert await ledger.unbalanced() == []
    await ledger.close()


async def what_does_not_fit_is_refused_and_nothing_else_is(books: Opener) -> None:
    ledger = books.open()
    with pytest.raises(LedgerError):
        await ledger.settle(entry_of("a", paid=2**63))
    assert await ledger.entry("a") is None
    await ledger.settle(entry_of("b"))
    assert (await ledger.report()).calls == 1
    await ledger.close()


async def a_worst_case_beyond_the_integers_is_kept_as_the_largest(books: Opener) -> None:
    ledger = books.open()
    await ledger.hold(hold_of("a", worst_pico=10**40))
    assert [hold.worst_pico for hold in await ledger.open_holds()] == [INTEGER_MAX]
    await ledger.close()


async def one_bad_row_does_not_fail_its_neighbours(books: Opener) -> None:
    ledger = books.open()
    await ledger.settle(entry_of("taken"))
    writes: list[Awaitable[object]] = [ledger.settle(entry_of(f"id{number:03}")) for number in range(100)]
    writes[30:30] = [ledger.settle(entry_of("taken")), ledger.hold(hold_of("h", opened_us=2**70))]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [at for at, result in enumerate(results) if result is not None] == [30, 31]
    assert all(isinstance(result, LedgerError) for result in results[30:32])
    assert (await ledger.report()).calls == 101
    assert await ledger.open_holds() == []
    await ledger.close()


async def many_at_once_are_all_durable(books: Opener) -> None:
    ledger = books.open()
    ids = [f"id{number:04}" for number in range(2000)]

    async def one(entry_id: str) -> None:
        await ledger.hold(hold_of(entry_id))
        await ledger.settle(entry_of(entry_id, paid=1, saved=1))

    await asyncio.gather(*(one(entry_id) for entry_id in ids))
    if books.durable:
        other = books.open()
        assert [entry.id for entry in await other.entries(limit=5000)] == ids
        await other.close()
    report = await ledger.report()
    assert (report.calls, report.open_holds, report.baseline_pico, report.paid_pico) == (2000, 0, 4000, 2000)
    await ledger.close()


async def a_cancelled_caller_has_still_written(books: Opener) -> None:
    ledger = books.open()
    for write in (ledger.hold(hold_of("a")), ledger.settle(entry_of("b"))):
        task = asyncio.ensure_future(write)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await ledger.settle(entry_of("c"))  # written in order, so the two are there now
    assert [hold.id for hold in await ledger.open_holds()] == ["a"]
    assert [entry.id for entry in await ledger.entries()] == ["b", "c"]
    await ledger.close()


async def what_was_settled_is_counted_and_nothing_else(books: Opener) -> None:
    ledger = books.open()
    heard: list[str] = []
    ledger.heard.extend((lambda entry: heard.append(entry.id[entry.id == "c"]), lambda entry: heard.append(entry.id)))
    await ledger.settle(entry_of("a", paid=3, saved=4))
    for bad in (entry_of("a", paid=5), entry_of("b", paid=2**63)):
        with pytest.raises(LedgerError):
            await ledger.settle(bad)
    task = asyncio.ensure_future(ledger.settle(entry_of("c", paid=6, outcome="left")))
    await asyncio.sleep(0)
    task.cancel()  # written all the same
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.settle(entry_of("d", paid=0, outcome="refused"))
    counters = ledger.counters
    assert heard == ["a", "a", "c", "d", "d"]  # one that fails hurts neither the call nor the next
    assert counters.calls == {"answered": 1, "left": 1, "refused": 1}
    assert (counters.paid_pico, counters.baseline_pico, counters.saved_pico) == (9, 13, {"cache.breakpoints": 4})
    await ledger.close()


async def what_was_learned_is_kept_and_replaced(books: Opener) -> None:
    ledger = books.open()
    assert await ledger.kept("reuse") is None
    await asyncio.gather(ledger.keep("reuse", b"\x00one"), ledger.keep("brake", b""))
    await ledger.keep("reuse", b"two")
    assert (await ledger.kept("reuse"), await ledger.kept("brake")) == (b"two", b"")
    await ledger.close()
    if books.durable:
        again = books.open()
        assert await again.kept("reuse") == b"two"
        await again.close()


async def closing_writes_what_waits(books: Opener) -> None:
    ledger = books.open()
    waiting = [asyncio.ensure_future(ledger.settle(entry_of(f"id{number}"))) for number in range(200)]
    await asyncio.sleep(0)
    await ledger.close()
    assert await asyncio.gather(*waiting) == [None] * 200
    if books.durable:
        again = books.open()
        assert (await again.report()).calls == 200
        await again.close()


async def a_closed_ledger_says_so(books: Opener) -> None:
    ledger = books.open()
    await ledger.close()
    await ledger.close()
    for verb in (ledger.hold(hold_of("a")), ledger.settle(entry_of("a")), ledger.open_holds(), ledger.report()):
        with pytest.raises(LedgerError, match="the ledger is closed"):
            await verb


async def books_are_there_when_opened_again(books: Opener) -> None:
    if not books.durable:
        return
    ledger = books.open()
    await ledger.hold(hold_of("a"))
    await ledger.settle(entry_of("b", paid=3))
    await ledger.close()
    again = books.open()
    assert await again.open_holds() == [hold_of("a")]
    assert await again.entry("b") == entry_of("b", paid=3)
    await again.settle(entry_of("a"))
    assert await again.open_holds() == []
    await again.close()


CHECKS: tuple[Check, ...] = (
    holds_are_open_until_settled,
    an_id_settles_once,
    two_entries_for_one_id_at_once_book_one,
    a_hold_id_is_used_once,
    an_unbalanced_entry_is_refused,
    entries_come_in_pages,
    a_report_sums_by_everything,
    a_cache_report_sums_prompts_and_misses,
    sums_do_not_overflow,
    large_postings_within_one_entry_balance,
    what_does_not_fit_is_refused_and_nothing_else_is,
    a_worst_case_beyond_the_integers_is_kept_as_the_largest,
    one_bad_row_does_not_fail_its_neighbours,
    many_at_once_are_all_durable,
    a_cancelled_caller_has_still_written,
    what_was_settled_is_counted_and_nothing_else,
    what_was_learned_is_kept_and_replaced,
    closing_writes_what_waits,
    a_closed_ledger_says_so,
    books_are_there_when_opened_again,
)


# --- any entry ---------------------------------------------------------------------------------------------------------

_WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
_COUNTS = st.integers(0, 10**9)
_INTEGERS = st.integers(-(2**62), 2**62)
_OUTPUT = st.tuples(_COUNTS, _COUNTS).map(sorted)
TOKENS = st.builds(
    lambda prompt, output: Tokens(prompt[0], prompt[1], prompt[2], prompt[3], output[1], output[0]),
    st.tuples(_COUNTS, _COUNTS, _COUNTS, _COUNTS),
    _OUTPUT,
)
USAGES = st.builds(Usage, TOKENS, _COUNTS, st.lists(st.builds(Iteration, _WORDS, TOKENS, _WORDS), max_size=3).map(tuple))
_SPLITS = st.dictionaries(_WORDS, _INTEGERS.map(lambda n: n // 8), max_size=4)
_POSTINGS = st.builds(
    lambda paid, saved: tuple(
        sorted(balanced(paid + sum(saved.values()), paid, saved), key=lambda posting: posting.account.encode())
    ),
    _INTEGERS.map(lambda n: n // 8),
    _SPLITS,
)
_DECISIONS = st.builds(Decision, _WORDS, st.sampled_from(["applied", "warned", "skipped", "refused"]), _WORDS, _INTEGERS)
_MISSES = st.builds(
    Miss,
    cause=st.sampled_from(get_args(Cause)),
    tokens=_COUNTS,
    pico=_INTEGERS,
    detail=_WORDS,
    avoidable=st.booleans(),
    at_block=st.none() | _COUNTS,
    gap_s=st.none() | st.floats(0, 1e9),
    digest=_WORDS,
)
ENTRIES = st.builds(
    Entry,
    id=st.just("a"),
    opened_us=st.integers(0, 2**61),
    settled_us=st.integers(0, 2**61),
    key=_WORDS,
    model=_WORDS,
    endpoint=_WORDS,
    outcome=st.sampled_from(["answered", "failed", "cut", "left", "unreachable", "timeout", "garbage", "refused", "lost"]),
    resolution=st.sampled_from(["post", "void", "expire"]),
    usage_source=st.sampled_from(["exact", "estimated", "none"]),
    usage=USAGES,
    postings=_POSTINGS,
    served_model=_WORDS,
    provider=_WORDS,
    mode=_WORDS,
    geo=_WORDS,
    stream=st.booleans(),
    status=_COUNTS,
    read_expected_tokens=_COUNTS,
    write_expected_tokens=_COUNTS,
    miss=st.none() | _MISSES,
    price_book=_WORDS,
    forecast_pico=_INTEGERS,
    decisions=st.lists(_DECISIONS, max_size=3).map(tuple),
    upstream_request_id=_WORDS,
    message_id=_WORDS,
    stop_reason=_WORDS,
    note=_WORDS,
    attempts=_COUNTS,
    ttfb_ms=_COUNTS,
    latency_ms=_COUNTS,
    whose=st.builds(Whose, _WORDS, _WORDS, _WORDS, st.lists(_WORDS, max_size=3).map(tuple)),
    upstream=_WORDS,
)


async def an_entry_comes_back_as_it_was(books: Opener, entry: Entry) -> None:
    """For any entry of `ENTRIES`."""
    ledger = books.open()
    try:
        await ledger.settle(entry)
        assert await ledger.entry(entry.id) == entry
        assert await ledger.unbalanced() == []
    finally:
        await ledger.close()

"""Earlier calls are seen as they were when they were settled."""

from __future__ import annotations

from tests.cli.entries import OPENED_US, entry_of
from thriftgate.core.alerting.metrics import METRICS, Cell, Seen, value_of
from thriftgate.core.control.whose import Whose
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_seen import calls_seen, first_call_us, seen_of

MINUTE = 60_000_000
SEARCH = Whose("user_1", "search", "acme", ("blue", "night"))


def entries() -> list[Entry]:
    return [
        entry_of(
            id=f"tg_{n:03}",
            opened_us=OPENED_US + n * MINUTE,
            settled_us=OPENED_US + n * MINUTE + 5_000_000,
            key=f"key_{n % 3}",
            task="sort" if n % 2 else "",
            whose=SEARCH if n % 2 else Whose(),
            outcome=("answered", "failed", "refused", "left", "timeout")[n % 5],
            latency_ms=90 + 113 * n * n,
            usage=Usage(Tokens(input=n, read=2 * n, write_5m=3, write_1h=4, output=5)),
            postings=balanced(10 + n, n, {"cache.breakpoints": 10}) if n % 5 != 2 else (),
        )
        for n in range(40)
    ]


def totals(some: list[Seen]) -> dict[frozenset[str], list[float | None]]:
    labels = {one.labels for one in some}
    found = {}
    for each in labels:
        row: list[float | None] = []
        for metric in METRICS.values():
            cell = Cell()
            for one in some:
                if one.labels == each:
                    cell.take(metric, one)
            row.append(value_of(metric, [cell])[1])
        found[each] = row
    return found


async def test_the_books_say_the_same_as_what_was_heard(place: str) -> None:
    ledger = SqlLedger.open(place)
    heard: list[Seen] = []
    ledger.heard.append(lambda entry: heard.append(seen_of(entry)))
    for entry in entries():
        await ledger.settle(entry)
    asked = await calls_seen(ledger, OPENED_US, OPENED_US + 60 * MINUTE, slot_us=15 * MINUTE, settled_until_us=2**62)
    assert sum(one.calls for one in asked) == 40
    lately, booked = totals(heard), totals(list(asked))
    assert lately.keys() == booked.keys()
    assert frozenset({"key=key_1", "model=claude-opus-5-5", "user=user_1", "team=search", "org=acme", "task=sort",
                      "tag=blue", "tag=night"}) in lately  # fmt: skip
    for labels, row in lately.items():
        for name, was, said in zip(METRICS, row, booked[labels], strict=True):
            if name == "latency_p95":  # read from bins, and by two digits
                assert (was is None) == (said is None)
                assert was is None or said is None or abs(said / was - 1) < 0.25, (labels, was, said)
            else:
                assert was == said, (labels, name)
    await ledger.close()


async def test_only_what_was_settled_by_then(place: str) -> None:
    ledger = SqlLedger.open(place)
    assert await first_call_us(ledger) == 0
    for entry in entries():
        await ledger.settle(entry)
    until = OPENED_US + 10 * MINUTE
    some = await calls_seen(ledger, OPENED_US, 2**62, slot_us=MINUTE, settled_until_us=until)
    assert sum(one.calls for one in some) == 10
    assert {one.at_us % MINUTE for one in some} == {MINUTE // 2}
    assert await first_call_us(ledger) == OPENED_US
    await ledger.close()

"""`thriftgate explain`: one call, line by line."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from thriftgate.answers.explanation import OFF, explain_document, off_in_the_policy, priced_again, remarks_on
from thriftgate.answers.nearest import nearest_calls
from thriftgate.cli.books import ask_books
from thriftgate.cli.options import Config, Json, LedgerPath, settings_for
from thriftgate.cli.output import dollars, dollars_exact, note, print_json, print_table, say
from thriftgate.clock import SystemClock
from thriftgate.core.moments import text_from_micros
from thriftgate.core.prices import PriceBook
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book


def explain(
    id: Annotated[str, Parameter(help="The call, as the header thriftgate-request-id named it.")],  # noqa: A002
    /,
    *,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """One call, line by line: what each lever decided and why, the forecast, the bill, the postings.

    The bill is priced again from the usage under the price book in force here; where the entry was booked under another
    one, that is said.
    """
    settings = settings_for(config, ledger__path=ledger)
    book = load_book(settings.prices)
    entry = ask_books(settings.ledger.path, lambda books: _find(books, id))
    if isinstance(entry, str):
        note(f"thriftgate: {entry}")
        return 1
    if json:
        print_json(explain_document(entry, book))
    else:
        _print(entry, book)
    return 0


async def _find(books: SqlLedger, entry_id: str) -> Entry | str:
    """The entry, or why there is none."""
    entry = await books.entry(entry_id)
    if entry is not None:
        return entry
    hold = next((hold for hold in await books.open_holds() if hold.id == entry_id), None)
    if hold is not None and hold.batch:
        return f"{entry_id} is not settled: it waits for the results of the batch {hold.batch}"
    if hold is not None:
        return f"{entry_id} is not settled: under way now, or cut off and closed when the gateway starts next"
    near = await nearest_calls(books, entry_id, SystemClock().now_s())
    return f"there is no call {entry_id!r} in {books.path}" + (f"; there are {', '.join(near)}" if near else "; it is empty")


def _print(entry: Entry, book: PriceBook) -> None:
    paid, baseline = -entry.posted(UPSTREAM), entry.posted(BASELINE)
    served = f" (served by {entry.served_model})" if entry.served_model not in ("", entry.model) else ""
    instead = f" instead of {entry.asked_model}" if entry.asked_model else ""
    kind = "stream" if entry.stream else "one piece"
    facts = [
        ("call", entry.id),
        ("model", f"{entry.model or '-'}{instead}{served}, {entry.mode}, {entry.geo}"),
        ("outcome", f"{entry.outcome}, HTTP {entry.status or '-'}, {entry.stop_reason or 'no stop reason'}, {kind}"),
        ("when", f"{text_from_micros(entry.opened_us)}, first byte {entry.ttfb_ms} ms, end {entry.latency_ms} ms later"),
        ("key", f"{entry.key}, {entry.attempts} attempt{'' if entry.attempts == 1 else 's'}"),
    ]
    side = f"{entry.arm or 'treated'}, of conversation {entry.conversation}" if entry.conversation else ""
    told = (("task", entry.task), ("experiment", side), ("made for", entry.parent))
    print_table(("", ""), [*facts, *((name, text) for name, text in told if text)], left=2)
    off = off_in_the_policy(entry)
    decisions = [(d.lever, d.decision, dollars(d.forecast_pico), d.reason) for d in entry.decisions if d.lever not in off]
    if decisions:
        print_table(("lever", "decision", "expected to save", "because"), decisions, title="\nplan", left=4)
    if off:
        say(f"{OFF}: {', '.join(off)}")
    print_table(
        ("", ""),
        [("forecast", dollars(entry.forecast_pico)), ("cost", dollars(paid)), ("saved", dollars(baseline - paid))],
        title="\nmoney",
    )
    cost = priced_again(entry, book)
    if cost is not None and cost.lines:
        lines = [
            (f"{line.kind} {line.model}", f"{line.quantity:,}", dollars_exact(line.pico_per_mtok), dollars(line.pico))
            for line in cost.lines
        ]
        print_table(
            ("", "tokens", "per million", "cost"), lines, title="\nbill", footer=("", "", "", dollars_exact(cost.pico))
        )
    postings = [(one.account, dollars_exact(one.pico)) for one in entry.postings]
    print_table(("", ""), postings, title="\npostings", footer=("sum", dollars_exact(entry.balance())))
    miss = entry.miss
    if miss is not None:
        price = f"{miss.tokens:,} tokens, {dollars(miss.pico)} above reading them"
        note(f"cache miss, {miss.cause}: {miss.detail} ({price})")
    for remark in [entry.note, *remarks_on(entry, cost, book)]:
        if remark:
            note(remark)

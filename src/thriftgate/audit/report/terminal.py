"""The audit on a terminal: what was read, what it cost, where it leaks, what else it could have cost, what to do.

Everything fits 80 columns. Names out of logs are never read as markup and cannot steer the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from thriftgate.audit.findings import Findings, Part, PolicyResult
from thriftgate.audit.report.wording import (
    CAUSES,
    DEPTHS,
    HOW_TO_READ,
    LOUD,
    by_cost,
    hit_rate,
    interval,
    nothing_read,
    period,
    reason,
    stands_up,
    why_nothing,
)
from thriftgate.drawing.words import counted, fitting, money, percent, plain, rounded, tokens

MODELS_MAX = 12
CLIENTS_MAX = 6
ACTIONS_MAX = 5
LOUD_STYLE = "bold red"

_Cell = str | Text


def show(found: Findings, console: Console) -> None:
    """The summary. `console` writes to stdout."""
    _read(found, console)
    _loud(found, console)
    if nothing_read(found):
        _heading(console, "What to do first")
        _say(console, HOW_TO_READ)
        return
    _bill(found, console)
    _models(found, console)
    _leaks(found, console)
    _policies(found, console)
    _actions(found, console)


def _heading(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, style="bold"))


def _say(console: Console, words: str, style: str = "") -> None:
    console.print(Text(plain(words), style=style))


def _table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[_Cell]], left: int = 1) -> None:
    """The first `left` columns are text, the others numbers that are never folded."""
    table = Table(box=None, pad_edge=False, show_header=any(columns), header_style="dim")
    for at, name in enumerate(columns):
        text = at < left
        table.add_column(Text(name), justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console.print(table)


def _read(found: Findings, console: Console) -> None:
    console.print(Text("What was read", style="bold"))
    if found.sources:
        rows = [(plain(one.title), f"{one.files:,}", f"{one.records:,}") for one in found.sources]
        _table(console, ("", "files", "records"), rows)
    if nothing_read(found):
        first, *others = why_nothing(found)
        _say(console, first, LOUD_STYLE)
        for words in others:
            _say(console, words)
        return
    copies = f", after merging {found.duplicates:,} copies" if found.duplicates else ""
    days = f", {period(found)}" if period(found) else ""
    _say(console, f"{counted(found.calls, 'call')}{copies}{days}. These logs hold {DEPTHS[found.depth]}.")
    quiet = [f"{count:,} {reason(slug)}" for slug, count in found.skipped.items() if count and slug not in LOUD]
    if quiet:
        _say(console, f"No calls: {', '.join(quiet)}.", "dim")


def _loud(found: Findings, console: Console) -> None:
    for one in found.unpriced:
        words = f"{counted(one.calls, 'call')} of {plain(one.model)}, {tokens(one.tokens)} tokens: {one.reason}"
        _say(console, f"NOT PRICED, in no sum: {words}", LOUD_STYLE)
    for slug, count in found.skipped.items():
        if slug in LOUD and count:
            places = ", ".join(found.skipped_examples.get(slug, ())[:2])
            told = f", as at {places}" if places else ""
            _say(console, f"LEFT OUT, cost missing: {count:,} × {reason(slug)}{told}", LOUD_STYLE)


def _bill(found: Findings, console: Console) -> None:
    _heading(console, "The bill")
    spread = interval(found.cost)
    rows = [("spend at list prices", money(found.cost.pico), f"{spread}" if spread else "exact")]
    if found.months > 0:
        rows.append(("a month of 30 days", money(round(found.cost.pico / found.months)), ""))
    if found.baseline_pico:
        already = percent(found.baseline_pico - found.cost.pico, found.baseline_pico)
        rows.append(("without any caching", money(found.baseline_pico), f"caching already saves {already}"))
    if found.reported_pico is not None:
        rows.append(("as the logs claim", money(found.reported_pico), "for comparison only"))
    if found.books is not None:
        rows.append(("as the clients sent it", money(found.books.baseline_pico), stands_up(found.books)))
    rows.append(("cache hit rate", hit_rate(found.kinds), f"of {tokens(found.kinds.prompt)} prompt tokens"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _models(found: Findings, console: Console) -> None:
    if not found.by_model:
        return
    _heading(console, "By model")
    ranked = sorted(found.by_model, key=lambda part: (-part.cost.pico, part.name))
    _table(
        console,
        ("", "calls", "prompt", "hits", "output", "cost", "share"),
        [_model(part, found.cost.pico) for part in ranked[:MODELS_MAX]],
    )
    rest = ranked[MODELS_MAX:]
    if rest:
        _say(console, f"and {len(rest)} more models: {money(sum(part.cost.pico for part in rest))}", "dim")


def _model(part: Part, whole: int) -> tuple[str, ...]:
    prompt, output = tokens(part.kinds.prompt), tokens(part.kinds.output)
    hits = hit_rate(part.kinds)
    return plain(part.name), f"{part.calls:,}", prompt, hits, output, money(part.cost.pico), percent(part.cost.pico, whole)


def _leaks(found: Findings, console: Console) -> None:
    misses = sorted((one for one in found.misses if one.pico > 0), key=lambda one: -one.pico)
    if not misses:
        return
    _heading(console, "Where it leaks: cache misses")
    _table(
        console,
        ("", "calls", "tokens", "cost", "avoidable"),
        [
            (CAUSES[one.cause], f"{one.calls:,}", tokens(one.tokens), fitting(one.pico), fitting(one.avoidable_pico))
            for one in misses
        ],
    )


def _policies(found: Findings, console: Console) -> None:
    if len(found.policies) < 2:
        return
    _heading(console, "What it would have cost")
    columns = ("", "cost", "saved", "", "low", "high")
    ranked = by_cost(found.policies)
    clients = [one for one in ranked if one.family == "client"]
    left_out = clients[: max(0, len(clients) - CLIENTS_MAX)]  # the dearest first
    _table(console, columns, [_policy(one) for one in ranked if one not in left_out])
    if left_out:
        _say(console, f"and {len(left_out)} dearer client policies, see --json or --html", "dim")
    if not all(one.safe for one in found.policies):
        _say(console, "* answers may change or come later", "dim")
    if found.replay is not None and found.replay.calls < found.calls:
        _say(console, f"Over the {found.replay.calls:,} calls that could be replayed.", "dim")


def _policy(one: PolicyResult) -> tuple[_Cell, ...]:
    title = plain(one.name if one.family == "client" else one.title) + ("" if one.safe else " *")
    style = "bold" if one.family in {"as-is", "levers"} else "dim" if one.family in {"plain", "client", "bound"} else ""
    cost = Text(fitting(one.cost.pico), style=style)
    if one.family == "as-is":
        return Text(title, style=style), cost, "", "", "", ""
    saved = Text(fitting(one.saved.pico), style="green" if one.saved.pico > 0 else "red" if one.saved.pico < 0 else "")
    share = percent(one.saved.pico, one.cost.pico + one.saved.pico)
    ends = (rounded(one.saved.low), rounded(one.saved.high)) if interval(one.saved) else ("", "")
    return Text(title, style=style), cost, saved, share, *ends


def _actions(found: Findings, console: Console) -> None:
    _heading(console, "What to do first")
    if not found.actions:
        _say(console, "Nothing to recommend from these logs.")
    for place, action in enumerate(found.actions[:ACTIONS_MAX], 1):
        spread = f" ({interval(action.month)})" if interval(action.month) else ""
        console.print(
            Text.assemble(
                f"{place}. {plain(action.text)}: ",
                (f"{money(action.month.pico)} a month", "bold green"),
                spread,
                f"; effort {plain(action.effort)}, risk {plain(action.risk)}",
            )
        )
        for line in action.config.splitlines():
            if line:
                console.print(Text(f"   {plain(line)}", style="cyan"), soft_wrap=True)  # to be copied: not broken
    if len(found.actions) > ACTIONS_MAX:
        _say(console, f"and {len(found.actions) - ACTIONS_MAX} more: --html or --json", "dim")

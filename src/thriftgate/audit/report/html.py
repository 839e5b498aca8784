"""The audit as one HTML file: no script, nothing loaded from anywhere, names out of logs escaped.

The page's Content-Security-Policy lets a browser load nothing at all; plots are SVG inside the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from msgspec import Struct
from msgspec.structs import asdict, replace

from thriftgate import __version__
from thriftgate.audit.findings import Action, Findings, Money, Part
from thriftgate.audit.moments import DAY_US
from thriftgate.audit.report.plots import gap_plot, miss_plot, policy_plot, waterfall
from thriftgate.audit.report.timeline import hit_rate_over_time, spend_by_kind, spend_by_model
from thriftgate.audit.report.wording import (
    DEPTHS,
    HOW_TO_READ,
    KINDS,
    LOUD,
    best,
    hit_rate,
    interval,
    nothing_read,
    period,
    reason,
    stands_up,
    why_nothing,
)
from thriftgate.core.moments import text_from_micros
from thriftgate.drawing.words import counted, money, percent, plain, tokens

PARTS_MAX = 12


class Tile(Struct, frozen=True):
    """One figure of the header with what must be known to read it."""

    name: str
    figure: str
    under: tuple[str, ...]


class PartRow(Struct, frozen=True):
    """One row of a table of shares; `bar` is its length in percent of the longest."""

    name: str
    note: str
    bar: str
    cells: tuple[str, ...]


class PartTable(Struct, frozen=True):
    """A table of shares, the dearest first; `left_out` says what is not shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[PartRow, ...]
    left_out: str


@cache
def _template() -> Template:
    loader = PackageLoader("thriftgate.audit.report", ".")
    rooms = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    rooms.filters.update(plain=plain, money=money, tokens=tokens, interval=interval, reason=reason)
    return rooms.get_template("page.html.jinja")


def html_page(found: Findings, *, title: str, made_at_us: int) -> str:
    """The whole page. `title` is what was audited, `made_at_us` the moment to print on it (microseconds since 1970)."""
    spend = [figure for figure in (spend_by_model(found), spend_by_kind(found)) if figure]
    return _template().render(
        title=plain(title),
        made=text_from_micros(made_at_us)[:16].replace("T", " "),
        version=__version__,
        found=found,
        period=period(found),
        calls=counted(found.calls, "call"),
        how_to_read=HOW_TO_READ if nothing_read(found) else "",
        tiles=_tiles(found),
        alerts=_alerts(found),
        actions=[_action(action) for action in found.actions],
        spend=spend,
        hit_rate=hit_rate_over_time(found),
        misses=miss_plot(found.misses),
        gaps=gap_plot(found),
        waterfall=waterfall(found),
        policies=policy_plot(found),
        models=_parts("By model", "model", found.by_model, found.cost),
        groups=[
            table
            for table in (
                _parts("By key", "key", found.by_key, found.cost),
                _parts("By project", "project", found.by_project, found.cost),
                _parts("Dearest sessions", "session", found.by_session, found.cost, found.sessions),
            )
            if table.rows
        ],
        kinds=_kinds(found),
        depth=DEPTHS[found.depth],
        depths=DEPTHS,
        replay=_replay(found),
        claimed=_claimed(found),
    )


def _tiles(found: Findings) -> list[Tile]:
    """Lines break between words, never before a percent sign."""
    made = [_spend_tile(found), _saving_tile(found), _cache_tile(found), _calls_tile(found), _period_tile(found)]
    return [replace(tile, under=tuple(line.replace(" %", "\N{NO-BREAK SPACE}%") for line in tile.under)) for tile in made]


def _spend_tile(found: Findings) -> Tile:
    under = [f"between {money(found.cost.low)} and {money(found.cost.high)}" if interval(found.cost) else "exact"]
    if found.months > 0:
        under.append(f"{money(round(found.cost.pico / found.months))} a month")
    return Tile("Spend at list prices", money(found.cost.pico), tuple(under) if found.calls else ("no call was found",))


def _saving_tile(found: Findings) -> Tile:
    name = "Could be saved"
    safe, every = best(found, safe=True), best(found, safe=False)
    if every is None:
        judged = any(policy.family in {"config", "lever", "levers"} for policy in found.policies)
        return Tile(name, "–", ("no lever saves anything here" if judged else "these logs tell too little to say",))
    under = []
    if safe:
        whole = safe.cost.pico + safe.saved.pico
        told = f", {interval(safe.saved)}" if interval(safe.saved) else ""
        under.append(f"{percent(safe.saved.pico, whole)}{told}; no answer changes")
    if not safe or every.saved.pico > safe.saved.pico:
        under.append(f"{money(every.saved.pico)} where answers may change or come later")
    return Tile(name, money(safe.saved.pico) if safe else money(0), tuple(under))


def _cache_tile(found: Findings) -> Tile:
    under = [f"of {tokens(found.kinds.prompt)} prompt tokens"]
    if found.baseline_pico:
        kept = found.baseline_pico - found.cost.pico
        word = "saved" if kept >= 0 else "cost"
        under.append(f"caching already {word} {money(abs(kept))}, {percent(abs(kept), found.baseline_pico)}")
    return Tile("Cache hit rate", hit_rate(found.kinds), tuple(under) if found.kinds.prompt else ("no prompt tokens told",))


def _calls_tile(found: Findings) -> Tile:
    under = [f"in {counted(found.sessions, 'session')}"] if found.sessions else []
    if found.duplicates:
        under.append(f"{found.duplicates:,} copies of calls merged")
    return Tile("Calls", f"{found.calls:,}", tuple(under))


def _period_tile(found: Findings) -> Tile:
    if not period(found):
        return Tile("Period", "–", ())
    days = found.last_us // DAY_US - found.first_us // DAY_US + 1
    return Tile("Period", counted(days, "day"), (period(found),))


def _alerts(found: Findings) -> list[str]:
    """What must not be overlooked, in sentences."""
    alerts = why_nothing(found) if nothing_read(found) else []
    alerts += [
        f"Not priced, and in no sum: {counted(one.calls, 'call')} of {plain(one.model)}, {tokens(one.tokens)} tokens: "
        f"{plain(one.reason)}."
        for one in found.unpriced
    ]
    alerts += [
        f"Left out: {count:,} × {reason(slug)}. What they cost is missing here."
        for slug, count in found.skipped.items()
        if slug in LOUD and count
    ]
    return alerts


def _action(action: Action) -> dict[str, str]:
    return {
        "text": plain(action.text),
        "month": money(action.month.pico),
        "interval": interval(action.month),
        "effort": plain(action.effort),
        "risk": plain(action.risk),
        "why": action.why and plain(action.why),
        "config": "\n".join(plain(line) if line else "" for line in action.config.splitlines()),
    }


def _parts(title: str, head: str, parts: Iterable[Part], whole: Money, count: int = 0) -> PartTable:
    ranked = sorted(parts, key=lambda part: (-part.cost.pico, part.name))
    most = max((part.cost.pico for part in ranked), default=0)
    spread = any(interval(part.cost) for part in ranked[:PARTS_MAX])
    rows = tuple(
        PartRow(
            plain(part.name),
            part.note and plain(part.note),
            f"{max(100 * part.cost.pico / most, 0) if most > 0 else 0:.1f}",
            (
                money(part.cost.pico),
                percent(part.cost.pico, whole.pico),
                *([interval(part.cost) or "exact"] if spread else []),
                f"{part.calls:,}",
                tokens(part.kinds.prompt),
                hit_rate(part.kinds),
                tokens(part.kinds.output),
            ),
        )
        for part in ranked[:PARTS_MAX]
    )
    rest = ranked[PARTS_MAX:]
    others = max(len(rest), count - len(rows))
    cost = f" ({money(sum(part.cost.pico for part in rest))})" if rest and len(rest) == others else ""
    columns = (head, "cost", "share", *(["interval"] if spread else []), "calls", "prompt", "hit rate", "output")
    return PartTable(title, columns, rows, f"{others:,} more{cost}: see --json." if rows and others > 0 else "")


def _kinds(found: Findings) -> list[tuple[str, str, str, str, str]]:
    """Class, name, tokens, cost and share of each kind that there is."""
    told = asdict(found.kinds)
    return [
        (kind, words, tokens(told.get(kind, 0)), money(told[f"{kind}_pico"]), percent(told[f"{kind}_pico"], found.cost.pico))
        for kind, words in KINDS.items()
        if told.get(kind) or told[f"{kind}_pico"]
    ]


def _replay(found: Findings) -> str:
    """How far the replay can be trusted, in a sentence."""
    if found.replay is None:
        return "These logs could not be replayed: nothing here says what another caching policy would have cost."
    one = found.replay
    off = one.replayed_pico - one.observed_pico
    return (
        f"{one.calls:,} of {found.calls:,} calls could be replayed ({percent(one.calls, found.calls)}). They did "
        f"cost {money(one.observed_pico)}; the cache model makes it {money(one.replayed_pico)}, "
        f"{percent(off, one.observed_pico)} off, and differs in {counted(one.differing_calls, 'call')}. "
        "That is the error bar of every replayed policy."
        + (f" Of the gateway's books: {stands_up(found.books)}." if found.books is not None else "")
    )


def _claimed(found: Findings) -> str:
    """What the logs themselves say that it cost, in a sentence; "" where they say nothing."""
    if found.reported_pico is None:
        return ""
    off = found.reported_pico - found.cost.pico
    return (
        f"The logs themselves claim {money(found.reported_pico)} ({'+' * (off > 0)}{money(off)}); that figure is shown for "
        "comparison and used nowhere."
    )

"""What was spent, what it would have cost, and who saved the difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.dashboard.asked import Asked
from thriftgate.dashboard.look import Look, Steps
from thriftgate.dashboard.pages.page import Document, Page
from thriftgate.dashboard.rendering import figure
from thriftgate.dashboard.sums import GROUPS, columns_of, columns_told, grouped, over_time, placed, question, step_of, summed
from thriftgate.drawing.svg import Figure
from thriftgate.drawing.timeline import Layer, stacked
from thriftgate.drawing.words import plain
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.sql_spend import By, SpendCell, savings, spend

APART_MAX = 5
"""Names that a chart over time tells apart; the others are one."""
MOVERS_MAX = 8
ROWS_MAX = 12
NOBODY = {"team": "(no team)", "task": "(not told)", "key": "(no key)", "model": "(none)"}
TITLES = {"model": "model", "key": "key", "team": "team", "task": "task"}


async def document(asked: Asked) -> Document:
    """Totals, levers and groups are those of `thriftgate savings --json` where nothing narrows them down."""
    look, by = asked.look, _by(asked)
    return await asked.sources.books.ask(lambda connection: _document(connection, look, by))


def _by(asked: Asked) -> By:
    """What the chart by name tells apart."""
    wanted = asked.query.get("by", "")
    return next((by for by in GROUPS if by == wanted), "model")


def _document(connection: Connection, look: Look, by: By) -> Document:
    steps = columns_of(connection, look)
    columns = over_time(steps, spend(connection, question(look, step=step_of(steps))))
    total = summed(spend(connection, question(look)))
    net = total.baseline - total.paid
    return {
        "since": text_from_micros(look.told_us[0]) if look.told_us[0] is not None else None,
        "until": text_from_micros(look.told_us[1]) if look.told_us[1] is not None else None,
        **total.document(),
        "gross_usd": usd_from_pico(net + total.own),
        "net_usd": usd_from_pico(net),
        "own_usd": usd_from_pico(total.own),
        "levers": {cell.lever: usd_from_pico(cell.saved_pico) for cell in savings(connection, question(look))},
        **{f"by_{group}": grouped(connection, look, group) for group in GROUPS},
        "over_time": {
            "unit": steps.unit,
            "zone": steps.zone,
            "steps": [
                {"start": text_from_micros(start), **column.document(), "own_usd": usd_from_pico(column.own)}
                for start, column in zip(steps.edges, columns, strict=False)
            ],
        },
        "apart": {"by": by, "names": _apart(steps, spend(connection, question(look, by, step_of(steps))))},
        "movers": _movers(connection, look),
    }


def _apart(steps: Steps, cells: Sequence[SpendCell]) -> list[dict[str, Any]]:
    """What each name cost over time: the dearest apart, the others together."""
    sums: dict[str, int] = {}
    for cell in cells:
        sums[cell.name] = sums.get(cell.name, 0) + cell.paid_pico
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    apart = ranked if len(ranked) <= APART_MAX + 1 else ranked[:APART_MAX]
    lines = {name: [0] * steps.count for name in apart}
    rest = [0] * steps.count
    for cell in cells:
        lines.get(cell.name, rest)[placed(steps, cell.start_us)] += cell.paid_pico
    found = [{"name": name, "others": 0, "paid_usd": [usd_from_pico(pico) for pico in lines[name]]} for name in apart]
    if len(ranked) > len(apart):
        others = len(ranked) - len(apart)
        found.append({"name": "", "others": others, "paid_usd": [usd_from_pico(pico) for pico in rest]})
    return found


def _movers(connection: Connection, look: Look) -> list[dict[str, Any]]:
    """Names whose spend differs most from that of the span before, of the same length in whole hours."""
    compared = look.compared()
    if compared is None:
        return []
    before, now = compared
    found = []
    for by in GROUPS:
        was = {cell.name: cell.paid_pico for cell in spend(connection, question(look, by, span_us=before))}
        paid = {cell.name: cell.paid_pico for cell in spend(connection, question(look, by, span_us=now))}
        found += [(by, name, was.get(name, 0), paid.get(name, 0)) for name in was.keys() | paid.keys() if name]
    found = [one for one in found if one[2] != one[3]]
    found.sort(key=lambda one: (-abs(one[3] - one[2]), one))
    return [
        {
            "by": by,
            "name": name,
            "before_usd": usd_from_pico(was),
            "paid_usd": usd_from_pico(paid),
            "change_usd": usd_from_pico(paid - was),
        }
        for by, name, was, paid in found[:MOVERS_MAX]
    ]


def view(doc: Document, asked: Asked) -> dict[str, Any]:
    """The charts and tables."""
    steps = columns_told(doc["over_time"], asked.look)
    by = doc["apart"]["by"]
    return {
        "over_time": figure(_spend_and_saving(doc, steps)),
        "apart": figure(_names_apart(doc, steps, asked)),
        "by": by,
        "titles": TITLES,
        "nobody": NOBODY,
        "levers": sorted(doc["levers"].items(), key=lambda one: -pico_from_usd(one[1])),
        "tables": [(group, doc[f"by_{group}"][:ROWS_MAX], max(0, len(doc[f"by_{group}"]) - ROWS_MAX)) for group in GROUPS],
        "movers": [
            one | {"up": pico_from_usd(one["change_usd"]) > 0, "new": one["before_usd"] == "0"} for one in doc["movers"]
        ],
    }


def _spend_and_saving(doc: Document, steps: Steps) -> Figure | None:
    told = doc["over_time"]["steps"]
    paid = [pico_from_usd(one["paid_usd"]) for one in told]
    own = [pico_from_usd(one["own_usd"]) for one in told]
    saved = [pico_from_usd(one["saved_usd"]) for one in told]
    if not any(paid) and not any(saved):
        return None
    layers = [Layer("paid for clients' calls", "s-paid", [one - other for one, other in zip(paid, own, strict=True)])]
    layers += [Layer("paid for thriftgate's own", "s-own", own)] if any(own) else []
    layers.append(Layer("saved", "s-saved", saved))
    return stacked(
        "Spend and saving", steps, layers, f"US dollars a {steps.unit}. A whole column is what it would have cost."
    )


def _names_apart(doc: Document, steps: Steps, asked: Asked) -> Figure | None:
    by = doc["apart"]["by"]
    layers = [
        Layer(
            f"{one['others']} others" if one["others"] else plain(asked.called(one["name"]) or NOBODY[by])[:60],
            f"c{at if not one['others'] else 6}",
            [pico_from_usd(usd) for usd in one["paid_usd"]],
        )
        for at, one in enumerate(doc["apart"]["names"])
    ]
    if not any(any(layer.values) for layer in layers):
        return None
    return stacked(f"Paid, by {TITLES[by]}", steps, layers, f"US dollars a {steps.unit}.")


PAGE = Page("", "Overview", "overview.html.jinja", document, view)

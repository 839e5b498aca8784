"""The plots that are not over time: policies, the waterfall of levers, misses by cause, gaps against the TTLs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thriftgate.audit.findings import Findings, Gap, MissSum, PolicyResult
from thriftgate.audit.report.wording import CAUSES, by_cost, interval
from thriftgate.core.cache import TTL_S
from thriftgate.drawing.svg import (
    NARROW,
    WIDE,
    Axis,
    Figure,
    Line,
    Scale,
    Size,
    element,
    hint,
    picture,
    rect,
    row_chart,
    scale,
    stroke,
    text,
    ticks,
)
from thriftgate.drawing.words import fitting, money, money_short, percent, plain, span, tokens

OFF_SCALE = 1.6  # a policy this much dearer than as-is would squeeze all others together
_FAMILY_WORDS = {
    "as-is": "as it is",
    "plain": "without caching",
    "ours": "with levers",
    "client": "as another client places breakpoints",
    "what-if": "what if",
    "bound": "lower bound, not to be had",
}
_OURS = frozenset({"config", "lever", "levers"})
_GAP_TICKS = (1, 10, 60, 300, 3_600, 21_600, 86_400, 604_800, 2_592_000)


def policy_plot(found: Findings) -> Figure | None:
    """What every policy would have cost, with its error bar, dearest first. None where nothing could be compared."""
    policies = by_cost(found.policies)
    if len(policies) < 2 or not any(one.cost.pico for one in policies):
        return None
    asis = next((one.cost.pico for one in policies if one.family == "as-is"), 0)
    near = [one for one in policies if not asis or one.cost.pico <= OFF_SCALE * asis] or policies
    bound = [one.cost.pico for one in policies if one.family == "bound"]
    low, high = min(one.cost.low for one in near), max(one.cost.high for one in near)
    label = "Cost under each policy: " + ", ".join(f"{plain(one.title)} {money(one.cost.pico)}" for one in policies)

    def draw(size: Size) -> str:
        marks = ticks(low, high, size.ticks - 1)
        lines = [(asis, "mark-asis"), *((pico, "mark-bound") for pico in bound[:1])] if asis else []
        axis = Axis(marks[0], marks[-1], marks, money_short, lines)
        return row_chart(label, size, [_policy_line(one, axis) for one in policies], axis)

    families = {_shown_family(one) for one in policies}
    return Figure(
        title="What each policy would have cost",
        wide=draw(WIDE),
        narrow=draw(NARROW),
        columns=("policy", "calls", "cost", "interval", "saved", "of as-is", "answers", "note"),
        rows=tuple(_policy_row(one) for one in policies),
        legend=tuple((f"p-{family}", words) for family, words in _FAMILY_WORDS.items() if family in families),
        caption="Dots are the cost, lines their error bars; an arrow stands for a cost far beyond the scale. "
        "The upright lines are the log as it is and the lower bound that no policy can pass.",
        worded=("answers", "note"),
    )


def _shown_family(policy: PolicyResult) -> str:
    return "ours" if policy.family in _OURS else policy.family


def _policy_line(policy: PolicyResult, axis: Axis) -> Line:
    cost, saved = policy.cost, policy.saved
    asis = cost.pico + saved.pico
    change = "" if policy.family == "as-is" or not asis else f"{-100 * saved.pico / asis:+.1f} %"
    css = f"p-{_shown_family(policy)}"

    def draw(place: Scale, top: float, track: float) -> str:
        y = top + track / 2
        if cost.low > axis.high:
            x = place(axis.high)
            return element("path", d=f"M{x - 9:.1f} {y - 5:.1f}l9 5l-9 5z", class_=css)
        spread = stroke(place(cost.low), y, place(cost.high), y, f"spread {css}") if cost.high > cost.low else ""
        return spread + element("circle", cx=place(cost.pico), cy=y, r=5.0, class_=css)

    words = [f"{plain(policy.title)}: {money(cost.pico)}", interval(cost), plain(policy.note) if policy.note else ""]
    return Line(
        label=plain(policy.title),
        value=fitting(cost.pico),
        aside=change,
        hint="\n".join(filter(None, words)),
        draw=draw,
        strong=policy.family == "as-is",
    )


def _policy_row(policy: PolicyResult) -> tuple[str, ...]:
    return (
        plain(policy.title),
        f"{policy.calls:,}",
        money(policy.cost.pico),
        interval(policy.cost) or "exact",
        money(policy.saved.pico),
        percent(policy.saved.pico, policy.cost.pico + policy.saved.pico),
        "the same" if policy.safe else "may change",
        plain(policy.note) if policy.note else "",
    )


def waterfall(found: Findings) -> Figure | None:
    """From the cost as it is, lever by lever, to the cost with all of them. None without a replay of several levers."""
    chosen = max(
        (one for one in found.policies if one.family == "levers" and one.levers),
        key=lambda one: (len(one.levers), one.saved.pico),
        default=None,
    )
    if chosen is None or not chosen.cost.pico + chosen.saved.pico:
        return None
    asis = chosen.cost.pico + chosen.saved.pico
    steps = [(plain(lever), pico) for lever, pico in chosen.levers.items() if pico]
    left = chosen.saved.pico - sum(chosen.levers.values())
    steps += [("not told by lever", left)] if left else []
    label = f"From {money(asis)} as it is to {money(chosen.cost.pico)} with {plain(chosen.title)}: " + ", ".join(
        f"{lever} {_signed(-pico)}" for lever, pico in steps
    )
    edges = _edges(asis, steps)
    start = _axis_start(edges)

    def draw(size: Size) -> str:
        marks = ticks(start, max(edges), size.ticks - 1)
        axis = Axis(marks[0], marks[-1], marks, money_short)
        lines = [_total_line("As it is", asis, axis)]
        lines += [_step_line(*step, before, size) for step, before in zip(steps, edges, strict=False)]
        lines.append(_total_line(plain(chosen.title), chosen.cost.pico, axis))
        return row_chart(label, size, lines, axis)

    return Figure(
        title="From the bill as it is to the bill with the levers",
        wide=draw(WIDE),
        narrow=draw(NARROW),
        columns=("step", "cost changes by", "of as-is"),
        rows=tuple((lever, _signed(-pico), percent(-pico, asis)) for lever, pico in steps),
        legend=(("w-total", "cost"), ("w-good", "saved by the lever"), *_dearer(steps)),
        caption=f"Over {chosen.calls:,} calls that could be replayed. "
        + ("Where a bar is torn, the axis does not begin at zero." if start else ""),
    )


def _dearer(steps: Sequence[tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    return (("w-bad", "made dearer by the lever"),) if any(pico < 0 for _, pico in steps) else ()


def _edges(asis: int, steps: Sequence[tuple[str, int]]) -> list[int]:
    """The cost before the first step and after each."""
    edges = [asis]
    for _, pico in steps:
        edges.append(edges[-1] - pico)
    return edges


def _axis_start(edges: Sequence[int]) -> float:
    """Zero, unless the steps would be too small to see: then somewhat below the lowest."""
    low, high = min(edges), max(edges)
    return 0.0 if high - low > 0.4 * high else max(low - 0.6 * (high - low), 0.0)


def _signed(pico: int) -> str:
    return f"{'+' * (pico > 0)}{money(pico)}"


def _total_line(name: str, pico: int, axis: Axis) -> Line:
    def draw(place: Scale, top: float, track: float) -> str:
        bar = rect(place(axis.low), top, place(pico), top + track, class_="w-total")
        if axis.low <= 0:
            return bar
        x, quarter = place(axis.low) + 10, track / 4
        tear = f"M{x:.1f} {top - 1:.1f}l4 {quarter:.1f}l-4 {quarter:.1f}l4 {quarter:.1f}l-4 {quarter + 2:.1f}"
        return bar + element("path", d=tear, class_="tear")

    return Line(name, fitting(pico), "", f"{name}: {money(pico)}", draw, strong=True)


def _step_line(name: str, pico: int, before: int, size: Size) -> Line:
    def draw(place: Scale, top: float, track: float) -> str:
        left, right = sorted((place(before), place(before - pico)))
        link = "" if size.stacked else stroke(place(before), top - 14, place(before), top, "link")
        return link + rect(left, top, right, top + track, class_="w-good" if pico > 0 else "w-bad")

    shown = f"{'+' * (pico < 0)}{fitting(-pico)}"
    return Line(name, shown, "", f"{name}: {_signed(-pico)}", draw)


def miss_plot(found: Sequence[MissSum], told: str = "example") -> Figure | None:
    """What misses cost, by cause, and how much of it could have been avoided; `told` is what their examples are called. None
    where none cost anything."""
    misses = sorted((one for one in found if one.pico > 0), key=lambda one: -one.pico)
    if not misses:
        return None
    whole, avoidable = sum(one.pico for one in misses), sum(one.avoidable_pico for one in misses)
    label = f"Cost of cache misses by cause, {money(whole)} in all: " + ", ".join(
        f"{CAUSES[one.cause]} {money(one.pico)}" for one in misses
    )

    def draw(size: Size) -> str:
        marks = ticks(0, misses[0].pico, size.ticks - 1)
        return row_chart(label, size, [_miss_line(one) for one in misses], Axis(0, marks[-1], marks, money_short))

    return Figure(
        title="Cache misses by cause",
        wide=draw(WIDE),
        narrow=draw(NARROW),
        columns=("cause", "calls", "tokens", "cost", "avoidable", told),
        rows=tuple(
            (
                CAUSES[one.cause],
                f"{one.calls:,}",
                tokens(one.tokens),
                money(one.pico),
                money(one.avoidable_pico),
                plain(one.example),
            )
            for one in misses
        ),
        legend=(("m-avoidable", f"avoidable {money(avoidable)}"), ("m-rest", f"not avoidable {money(whole - avoidable)}")),
        caption="What prompt tokens that were not read from the cache cost above the price of reading them.",
        worded=(told,),
    )


def _miss_line(miss: MissSum) -> Line:
    def draw(place: Scale, top: float, track: float) -> str:
        rest = rect(place(0), top, place(miss.pico), top + track, class_="m-rest")
        if miss.avoidable_pico <= 0:
            return rest
        return rest + rect(place(0), top, place(miss.avoidable_pico), top + track, class_="m-avoidable")

    words = f"{miss.calls:,} calls, {tokens(miss.tokens)} tokens, {money(miss.pico)}, avoidable {money(miss.avoidable_pico)}"
    return Line(CAUSES[miss.cause], fitting(miss.pico), "", f"{CAUSES[miss.cause]}: {words}", draw)


def gap_plot(found: Findings) -> Figure | None:
    """How long after the previous call of its conversation each call came. None where conversations are not told."""
    gaps = [gap for gap in found.gaps if gap.calls > 0]
    if not gaps:
        return None
    calls = {css: sum(gap.calls for gap in gaps if _life(gap) == css) for css in ("g-5m", "g-1h", "g-over")}
    every = sum(calls.values())
    names = {"g-5m": "within 5 minutes", "g-1h": "within an hour", "g-over": "later"}
    shares = [(css, f"{words}: {calls[css]:,} calls, {percent(calls[css], every)}") for css, words in names.items()]
    label = "Calls by the time since the previous call of the conversation: " + "; ".join(words for _, words in shares)
    return Figure(
        title="Gaps between calls of a conversation",
        wide=_gap_picture(label, WIDE, gaps),
        narrow=_gap_picture(label, NARROW, gaps),
        columns=("after", "up to", "calls", "share", "tokens repeated"),
        rows=tuple(
            (span(gap.from_s), span(gap.until_s), f"{gap.calls:,}", percent(gap.calls, every), tokens(gap.tokens))
            for gap in gaps
        ),
        legend=tuple(shares),
        caption="The upright lines are the lives of cache entries, five minutes and an hour. The time axis is logarithmic.",
    )


def _life(gap: Gap) -> str:
    return "g-5m" if gap.from_s < TTL_S["5m"] else "g-1h" if gap.from_s < TTL_S["1h"] else "g-over"


def _gap_picture(label: str, size: Size, gaps: Sequence[Gap]) -> str:
    left, right, top, bottom = (64.0, 880.0, 24.0, 224.0) if not size.stacked else (50.0, float(size.width), 24.0, 184.0)
    first = min(gap.from_s or gap.until_s / 4 for gap in gaps)
    last = max(gap.until_s if math.isfinite(gap.until_s) else gap.from_s * 4 for gap in gaps)
    low, high = min(max(first, 0.1), 60.0), max(last, 7_200.0)
    along = scale(math.log(low), math.log(high), left, right)
    marks = ticks(0, max(gap.calls for gap in gaps), 6)
    y = scale(0, marks[-1], bottom, top)
    inside = []
    for mark in marks:
        inside.append(stroke(left, y(mark), right, y(mark), "grid" if mark else "base"))
        inside.append(text(left - 8, y(mark) + 4, tokens(round(mark)), class_="tick end"))
    for gap in gaps:
        begin, end = (along(math.log(min(max(at, low), high))) for at in (gap.from_s, gap.until_s))
        words = f"{span(gap.from_s)} to {span(gap.until_s)}: {gap.calls:,} calls, {tokens(gap.tokens)} tokens repeated"
        bar = rect(begin + 0.6, min(y(gap.calls), bottom - 1.5), end - 0.6, bottom, class_=_life(gap))
        inside.append(element("g", hint(words), bar))
    for name, seconds in TTL_S.items():
        x = along(math.log(seconds))
        inside.append(stroke(x, top - 6, x, bottom, "mark-asis"))
        inside.append(text(x, top - 11, f"{name} TTL", class_="tick middle"))
    shown = [at for at in _GAP_TICKS if low <= at <= high]
    shown = shown[::2] if size.stacked else shown
    inside += [text(along(math.log(at)), bottom + 17, span(at), class_="tick middle") for at in shown]
    return picture(label, size.width, bottom + 24, *inside)

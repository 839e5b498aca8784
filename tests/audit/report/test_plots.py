"""The plots that are not over time."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import DAY_DEPTH, DEARER, EMPTY, FREE, HOSTILE, HUGE, RICH
from thriftgate.audit.findings import Findings, Money
from thriftgate.audit.report.plots import gap_plot, miss_plot, policy_plot, waterfall
from thriftgate.drawing.svg import Figure

PLOTS = (policy_plot, waterfall, lambda found: miss_plot(found.misses), gap_plot)


def some(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def bars(drawn: str, css: str) -> list[tuple[float, float]]:
    """Left and right ends."""
    found = re.findall(rf'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+" class="{css}"/>', drawn)
    return [(float(x), float(x) + float(width)) for x, width in found]


def test_policies() -> None:
    figure = some(policy_plot(RICH))
    assert [row[0] for row in figure.rows[:2]] == ["No caching at all", "autocache aggressive"]
    assert figure.rows[-1][0].startswith("Lower bound")
    assert figure.rows[-3][:6] == ("All safe levers", "11,800", "$1,532.61", "$1,507.07 to $1,558.15", "$291.93", "16.0 %")
    assert [row[6] for row in figure.rows if row[0] == "All levers"] == ["may change"]
    assert figure.wide.count("<circle") == 10, "two are far beyond the scale"
    assert figure.wide.count("<path") == 2
    assert (figure.wide.count("mark-asis"), figure.wide.count("mark-bound")) == (1, 1)


def test_dots_stand_in_the_order_of_costs() -> None:
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', some(policy_plot(RICH)).wide)]
    assert xs == sorted(xs, reverse=True)
    assert len(set(xs)) == len(xs)


def test_the_waterfall_falls_without_gaps() -> None:
    figure = some(waterfall(RICH))
    first, last = bars(figure.wide, "w-total")
    good, bad = bars(figure.wide, "w-good"), bars(figure.wide, "w-bad")
    assert good[0][1] == pytest.approx(first[1], abs=0.2)
    for before, after in pairwise(good):
        assert after[1] == pytest.approx(before[0], abs=0.2)
    assert bad[0][0] == pytest.approx(good[-1][0], abs=0.2), "a dearer step goes back up"
    assert bad[0][1] == pytest.approx(last[1], abs=0.2)
    assert [row[0] for row in figure.rows] == [
        "batch.defer", "cache.breakpoints", "cache.keepalive", "cache.stabilise", "output.effort",
    ]  # fmt: skip
    assert figure.rows[-1][1] == "+$18.25"
    assert "torn" in figure.caption
    assert figure.wide.count('class="tear"') == 2


def test_what_no_lever_tells_is_a_step_of_its_own() -> None:
    policies = tuple(replace(one, levers={"cache.breakpoints": 5}) if one.name == "safe" else one for one in RICH.policies)
    figure = some(waterfall(replace(RICH, policies=tuple(one for one in policies if one.name != "all"))))
    assert [row[0] for row in figure.rows] == ["cache.breakpoints", "not told by lever"]


def test_a_waterfall_that_rises() -> None:
    figure = some(waterfall(DEARER))
    first, last = bars(figure.wide, "w-total")
    assert last[1] > first[1]
    assert figure.legend[-1] == ("w-bad", "made dearer by the lever")


def test_misses() -> None:
    figure = some(miss_plot(RICH.misses))
    assert figure.rows[0] == (
        "entry expired", "612", "41.2 M", "$130.32", "$121.64", "session 8f2a after 23 min",
    )  # fmt: skip
    assert figure.legend[0] == ("m-avoidable", "avoidable $224.95")
    whole, avoidable = bars(figure.wide, "m-rest"), bars(figure.wide, "m-avoidable")
    assert len(whole) == 6
    assert len(avoidable) == 4
    share = (avoidable[0][1] - avoidable[0][0]) / (whole[0][1] - whole[0][0])
    assert share == pytest.approx(14 / 15, abs=0.01)


def test_gaps_and_the_lives_of_entries() -> None:
    figure = some(gap_plot(RICH))
    assert figure.legend[0] == ("g-5m", "within 5 minutes: 11,230 calls, 94.1 %")
    assert figure.legend[2] == ("g-over", "later: 69 calls, 0.6 %")
    assert "5m TTL" in figure.wide
    assert "1h TTL" in figure.narrow
    marks = [float(x) for x in re.findall(r'<line x1="([\d.]+)"[^>]*class="mark-asis"', figure.wide)]
    assert bars(figure.wide, "g-1h")[0][0] == pytest.approx(marks[0] + 0.6, abs=0.2)
    assert bars(figure.wide, "g-over")[0][0] == pytest.approx(marks[1] + 0.6, abs=0.2)
    assert figure.rows[-1][:2] == ("1 d", "longer")


@pytest.mark.parametrize("found", [EMPTY, DAY_DEPTH, FREE])
def test_nothing_to_draw(found: Findings) -> None:
    assert waterfall(found) is None
    assert miss_plot(found.misses) is None
    assert (policy_plot(found) is None) == (found is not DAY_DEPTH)
    assert (gap_plot(found) is None) == (found is not FREE)


def test_one_policy_is_no_comparison() -> None:
    assert policy_plot(replace(RICH, policies=RICH.policies[:1])) is None


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("found", [RICH, HUGE, DEARER, HOSTILE])
def test_nothing_leaves_the_drawing(plot: type, found: Findings) -> None:
    figure = some(plot(found))
    for drawn in (figure.wide, figure.narrow):
        match = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn)
        assert match is not None
        width, height = map(float, match.groups())
        xs = [float(x) for x in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)"', drawn)]
        ys = [float(y) for y in re.findall(r' (?:y|y1|y2|cy)="(-?[\d.]+)"', drawn)]
        assert 0 <= min(xs) <= max(xs) <= width
        assert 0 <= min(ys) <= max(ys) <= height


@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_is_labelled_and_has_its_table(plot: type) -> None:
    figure = some(plot(RICH))
    assert {len(row) for row in figure.rows} == {len(figure.columns)}
    for drawn in (figure.wide, figure.narrow):
        label = re.search(r'^<svg role="img" aria-label="([^"]+)"', drawn)
        assert label is not None
        assert "$" in label[1] or "%" in label[1]
        assert drawn.count("<title>") >= 6


@pytest.mark.parametrize("plot", PLOTS)
def test_names_are_escaped(plot: type) -> None:
    figure = some(plot(HOSTILE))
    assert "<script" not in figure.wide + figure.narrow


def test_an_exact_cost_has_no_error_bar() -> None:
    exact = tuple(replace(one, cost=Money(one.cost.pico, one.cost.pico, one.cost.pico)) for one in RICH.policies)
    assert "spread" not in some(policy_plot(replace(RICH, policies=exact))).wide

"""The plots over time."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import DAY, EMPTY, FREE, HOSTILE, LONG, MANY_MODELS, ONE_DAY, RICH, USD
from thriftgate.audit.findings import DayModel, Kinds
from thriftgate.audit.report.timeline import BINS_MAX, Bins, bins_of, hit_rate_over_time, spend_by_kind, spend_by_model
from thriftgate.drawing.svg import Figure
from thriftgate.drawing.words import money


def some(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def days(first: int, last: int) -> list[DayModel]:
    return [DayModel(day, "m", 1, Kinds(), 1) for day in (first, last)]


@pytest.mark.parametrize(
    ("span", "width", "count"), [(1, 1, 1), (92, 1, 92), (93, 7, 14), (400, 7, 58), (645, 8, 81), (20_000, 218, 92)]
)
def test_bins(span: int, width: int, count: int) -> None:
    bins = bins_of(days(DAY, DAY + span - 1))
    assert (bins.width, bins.count) == (width, count)
    assert bins.count <= BINS_MAX
    assert (bins.of(DAY), bins.of(DAY + span - 1)) == (0, count - 1)
    assert bins.whole == (span % width == 0)


def test_bins_in_words() -> None:
    weeks = Bins(DAY, DAY + 9, 7, 2)
    assert weeks.text(0) == "2 Aug 2026 to 8 Aug 2026"
    assert weeks.text(1) == "9 Aug 2026 to 11 Aug 2026"
    assert weeks.unit == "week"
    assert Bins(DAY, DAY + 1, 1, 2).text(1) == "3 Aug 2026"
    assert Bins(DAY, DAY + 59, 1, 60).ticks(4) == [(0, "2 Aug"), (15, "17 Aug"), (30, "1 Sep"), (45, "16 Sep")]
    long = Bins(DAY, DAY + 399, 7, 58).ticks(8)
    assert [words for _, words in long][:3] == ["Aug 2026", "Oct 2026", "Dec 2026"]


def test_spend_by_model() -> None:
    figure = some(spend_by_model(RICH))
    assert figure.columns == ("day", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "all")
    assert len(figure.rows) == 60
    first = [one.pico for one in RICH.days if one.day == DAY]
    assert figure.rows[0] == ("2 Aug 2026", *map(money, first), money(sum(first)))
    assert next(words for _, words in figure.legend) == "claude-opus-5-5 $1,294.04"
    assert figure.wide.count('class="c0"') == figure.narrow.count('class="c2"') == 60


def test_small_models_are_grouped() -> None:
    figure = some(spend_by_model(MANY_MODELS))
    assert len(figure.legend) == 7
    assert figure.legend[-1][1].startswith("34 others $")
    assert spend_by_model(replace(MANY_MODELS, days=tuple(one for one in MANY_MODELS.days if one.model < "claude-model-07")))
    seven = some(
        spend_by_model(replace(MANY_MODELS, days=tuple(one for one in MANY_MODELS.days if one.model < "claude-model-07")))
    )
    assert [words.split()[0] for _, words in seven.legend] == [f"claude-model-0{place}" for place in range(7)]


def test_a_model_that_is_called_others() -> None:
    rows = tuple(replace(one, model="34 others") if one.model == "claude-model-39" else one for one in MANY_MODELS.days)
    figure = some(spend_by_model(replace(MANY_MODELS, days=rows)))
    assert figure.legend == some(spend_by_model(MANY_MODELS)).legend


def test_spend_by_kind_sums_to_the_same() -> None:
    figure, by_model = some(spend_by_kind(RICH)), some(spend_by_model(RICH))
    assert [row[-1] for row in figure.rows] == [row[-1] for row in by_model.rows]
    assert "searches and other fees" not in figure.columns


def test_credits_are_drawn_below_zero() -> None:
    row = DayModel(DAY, "m", 1, Kinds(), 5 * USD)
    figure = some(spend_by_model(replace(RICH, days=(row, replace(row, day=DAY + 1, pico=-5 * USD)))))
    heights = re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)" class="c0"/>', figure.wide)
    (top, tall), (below, same) = ((float(y), float(height)) for y, height in heights)
    assert below == pytest.approx(top + tall, abs=0.2)
    assert same == pytest.approx(tall, abs=0.2)


def test_hit_rate() -> None:
    figure = some(hit_rate_over_time(RICH))
    assert figure.rows[9][3] == "40.0 %"
    assert figure.wide.count("<circle") == 60
    assert re.findall(r'd="(M[^"]+)"', figure.wide)[0].count("L") == 59


def test_days_without_prompts_break_the_line() -> None:
    rows = tuple(replace(one, kinds=Kinds()) if one.day in {DAY + 3, DAY + 4} else one for one in RICH.days)
    figure = some(hit_rate_over_time(replace(RICH, days=rows)))
    assert re.findall(r'd="(M[^"]+)"', figure.wide)[0].count("M") == 2
    assert figure.rows[3] == ("5 Aug 2026", "0", "0", "–")


def test_one_day_and_four_hundred() -> None:
    assert len(some(spend_by_model(ONE_DAY)).rows) == 1
    assert some(hit_rate_over_time(ONE_DAY)).wide.count("<circle") == 1
    figure = some(spend_by_model(LONG))
    assert (figure.columns[0], len(figure.rows)) == ("week", 58)
    assert figure.caption == "US dollars a week, UTC; the last is cut short."


def test_nothing_to_draw() -> None:
    for plot in (spend_by_model, spend_by_kind, hit_rate_over_time):
        assert plot(EMPTY) is None
        assert plot(FREE) is None


def test_names_are_escaped() -> None:
    figure = some(spend_by_model(HOSTILE))
    assert "<script" not in figure.wide + figure.narrow
    assert "&lt;script&gt;alert(&quot;x&quot;)" in figure.wide

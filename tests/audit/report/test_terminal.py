"""The audit on a terminal."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from tests.audit.report.samples import ALL, DAY_DEPTH, EMPTY, HOSTILE, MANY_MODELS, RICH, UNREAD
from thriftgate.audit.findings import Findings, Money
from thriftgate.audit.report.terminal import show


def printed(found: Findings, width: int = 80, *, colour: bool = False) -> str:
    out = io.StringIO()
    show(
        found,
        Console(file=out, width=width, highlight=False, force_terminal=colour, color_system="standard" if colour else None),
    )
    return out.getvalue()


def line(text: str, start: str) -> list[str]:
    """The words of the line that begins so."""
    return next(one for one in text.splitlines() if one.startswith(start)).removeprefix(start).split()


def test_the_bill() -> None:
    text = printed(RICH)
    assert line(text, "spend at list prices") == ["$1,824.54", "$1,815.41", "to", "$1,833.66"]
    assert line(text, "a month of 30 days") == ["$912.27"]
    assert line(text, "without any caching") == ["$7,298.14", "caching", "already", "saves", "75.0", "%"]
    assert line(text, "claude-opus-5-5") == ["8,638", "646", "M", "83.3", "%", "10.8", "M", "$1,294.04", "70.9", "%"]
    assert "25,619 calls, after merging 19,204 copies, 2 Aug 2026 to 30 Sep 2026." in text


def test_leaks_and_policies() -> None:
    text = printed(RICH)
    assert line(text, "entry expired") == ["612", "41.2", "M", "$130.32", "$121.64"]
    assert line(text, "All safe levers") == ["$1,532.61", "$291.93", "16.0", "%", "$266", "$317"]
    assert line(text, "All levers *") == ["$1,295.42", "$529.12", "29.0", "%", "$508", "$551"]
    assert line(text, "As it is") == ["$1,824.54"]
    starts = ["No caching", "P5", "P2", "As it is", "All levers", "Lower bound"]
    order = [text.index(f"\n{start}") for start in starts]
    assert order == sorted(order), "the dearest first"
    assert "Over the 23,057 calls that could be replayed." in text


def test_the_first_five_actions() -> None:
    text = printed(replace(RICH, actions=RICH.actions * 2))
    assert "1. Put the gateway in front with its safe levers on: $97.31 a month ($95.28 to \n$99.34)" in text
    assert '\n   enabled = ["cache.breakpoints", "cache.keepalive"]\n' in text
    assert "\n5. Put the gateway" in text
    assert "\n6." not in text
    assert "and 3 more: --html or --json" in text


def test_what_is_missing_is_loud() -> None:
    text = printed(RICH, colour=True)
    loud = [one for one in text.splitlines() if "\x1b[1;31m" in one]
    assert any("NOT PRICED, in no sum: 14 calls of claude-next-preview, 220 k tokens" in one for one in loud)
    assert any("LEFT OUT, cost missing: 3 × cut off" in one for one in loud)
    assert not any("lines of another kind" in one for one in loud)
    assert "NOT PRICED" not in printed(replace(RICH, unpriced=()))


def test_nothing_found() -> None:
    text = printed(EMPTY)
    assert "Nothing was read: no call, and no sum of days.\nThere was no file to read.\n" in text
    assert "thriftgate audit --help lists the formats" in text


def test_nothing_but_files_that_nobody_knows() -> None:
    """No bill: $0.00 would say that nothing was spent."""
    text = printed(UNREAD, width=200)
    assert "3 files were skipped: 2 × unknown format (as logs/notes.bin), 1 × empty file." in text
    assert "What was found is no call: 7 × lines of another kind." in text
    assert "LEFT OUT, cost missing: 4 × cut off, or no JSON, as at logs/a.jsonl:3" in text
    assert "thriftgate audit --help lists the formats" in text
    for misleading in ("0 calls", "sums of days", "The bill", "$", "Nothing to recommend"):
        assert misleading not in text


def test_sums_of_days_without_calls_are_a_bill() -> None:
    text = printed(replace(DAY_DEPTH, calls=0))
    assert "0 calls" in text
    assert "These logs hold sums of days." in " ".join(text.split())
    assert "Nothing was read" not in text
    assert line(text, "spend at list prices")[0] == "$1,824.54"


def test_exact_figures_have_no_error_bar() -> None:
    text = printed(replace(RICH, cost=Money(10**12, 10**12, 10**12)))
    assert line(text, "spend at list prices") == ["$1.00", "exact"]


def test_sums_of_days() -> None:
    text = printed(DAY_DEPTH)
    assert "These logs\nhold sums of days." in text
    assert "leaks" not in text


def test_small_models_are_summed_up() -> None:
    assert "and 28 more models: $117.68" in printed(MANY_MODELS)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [80, 120])
def test_it_fits(name: str, width: int) -> None:
    configs = {one for action in ALL[name].actions for one in action.config.splitlines()}
    wide = [one for one in printed(ALL[name], width).splitlines() if cell_len(one) > width and one.strip() not in configs]
    assert wide == []
    assert "…" not in printed(ALL[name], width)


def test_names_do_not_steer_the_terminal() -> None:
    part = replace(RICH.by_model[0], name="[red]x[/red]\x1b[2J\x07\u202e")
    text = printed(replace(HOSTILE, by_model=(part,)))
    assert "[red]x[/red]\ufffd[2J" in text
    assert not set(text) & set("\x1b\x07\u202e")

"""What people read."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from thriftgate.core.alerting.alert import Alert, Message, Notice, Sighting, Why
from thriftgate.core.alerting.life import Habits, sighted
from thriftgate.core.alerting.message import link_to, text_of

NOW = 1_795_262_400_000_000


def alert(**members: Any) -> Alert:
    values: dict[str, Any] = {
        "signature": "s",
        "kind": "loop",
        "sentence": "a run has made 90 calls in a row",
        "severity": "critical",
        "labels": ("key=key_1", "team=search"),
        "evidence": ("90 calls", "no pause"),
        "action": "stop that run",
        "pico_per_h": 12_500_000_000_000,
    }
    made, _ = sighted(None, Sighting(**values | members), Habits(), NOW, silenced=False)
    return made


def notice(number: int = 1, why: Why = "opened", **members: Any) -> Notice:
    return Notice(number, "ops", why, NOW, alert(**members))


def test_one_alert_tells_all_there_is_to_know() -> None:
    text = text_of(Message("tga_1_1", "ops", (notice(),)), "https://gate.example/")
    assert text.subject == "[critical] a run has made 90 calls in a row (key=key_1, team=search)"
    assert text.lines == (
        "whose: key=key_1, team=search",
        "since: 2026-11-21 12:00 UTC",
        "evidence: 90 calls",
        "evidence: no pause",
        "money: $12.50 an hour",
        "do: stop that run",
    )
    assert text.link == "https://gate.example/thriftgate/dashboard/alerts"


@pytest.mark.parametrize(("why", "begins"), [("worse", "[critical] worse: "), ("again", "[critical] still: ")])
def test_why_it_is_told(why: Why, begins: str) -> None:
    assert text_of(Message("m", "ops", (notice(why=why),))).subject.startswith(begins)


def test_that_it_is_over() -> None:
    text = text_of(Message("m", "ops", (notice(why="resolved"),)))
    assert text.subject.startswith("[critical] resolved: ")
    assert not any("do:" in line or "money:" in line for line in text.lines)


def test_links() -> None:
    assert link_to(alert(), "") == ""
    one = replace(alert(), id=7)
    assert link_to(one, "https://g.example/") == "https://g.example/thriftgate/dashboard/alerts?all=on#alert-7"
    assert link_to(None, "https://g.example") == "https://g.example/thriftgate/dashboard/alerts"


def test_a_digest_names_the_worst_and_counts_the_rest() -> None:
    many = [notice(n, severity="warning", sentence=f"number {n}", pico_per_h=n * 10**12) for n in range(1, 31)]
    many += [notice(31, sentence="the worst"), notice(32, why="resolved", sentence="gone")]
    text = text_of(Message("m", "ops", tuple(many)))
    assert text.subject == "32 alerts: 1 critical, 30 warning, 1 resolved"
    assert text.lines[0].startswith("[critical] the worst")
    assert text.lines[1].startswith("[warning] number 30")
    assert text.lines[10:] == ("and 22 more", "money: $477.50 an hour, together")


def test_hostile_names_stay_on_their_line() -> None:
    hostile = "search\r\nBcc: all@corp.example\x1b[31m<!channel> *bold* \u202e"
    text = text_of(Message("m", "ops", (notice(labels=(f"team={hostile}",), sentence=hostile, rule=hostile),)))
    for line in (text.subject, *text.lines):
        assert line.isprintable()
        assert "\n" not in line

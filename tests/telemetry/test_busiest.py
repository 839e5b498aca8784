"""Names for labels: bounded, whatever comes, and the busy ones have a place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.telemetry.busiest import CHARS_MAX, NONE, OTHER, Busiest, label_text, model_text


@given(st.lists(st.text(), max_size=400), st.integers(1, 5))
def test_never_more_names_than_places(came: list[str], places: int) -> None:
    busiest, shown = Busiest(places), set[str]()
    for name in came:
        label, lost = busiest.label(name)
        shown.discard(lost)
        shown |= {label} - {NONE, OTHER}
        assert len(shown) <= places
        label.encode()


def test_names_made_up_push_nobody_out() -> None:
    busiest = Busiest(5)
    for at in range(50_000):
        busiest.label(f"made up {at}")
        if at % 8 == 0:
            busiest.label("ours")
            busiest.label("theirs")
    assert {busiest.label(name)[0] for name in ("ours", "theirs")} == {"ours", "theirs"}


def test_who_becomes_busy_takes_a_place() -> None:
    busiest = Busiest(2)
    for name in ("early", "early", "quiet"):
        assert busiest.label(name)[0] == name
    labels = [busiest.label("late") for _ in range(40)]
    assert labels[0] == (OTHER, "")
    assert [lost for _, lost in labels if lost] == ["quiet"]
    assert labels[-1][0] == "late"
    assert busiest.label("quiet")[0] == OTHER


def test_two_alike_do_not_take_turns() -> None:
    busiest = Busiest(1)
    labels = [busiest.label(name)[0] for _ in range(1_000) for name in ("a", "b")]
    assert set(labels[::2]) == {"a"}


@pytest.mark.parametrize("name", ["", NONE, OTHER])
def test_our_own_words_take_no_place(name: str) -> None:
    busiest = Busiest(1)
    assert busiest.label(name) == (name or NONE, "")
    assert busiest.label("mine")[0] == "mine"


def test_model_text() -> None:
    for name in ("", "claude-opus-4-8", "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.anthropic.claude-v1:0"):
        assert model_text(name) == name
    for name in ("sk-ant-api03-secret", "what a day", "a\nb", "x" * 129, "é"):
        assert model_text(name) == "unreadable"


def test_label_text() -> None:
    assert label_text("claude-opus-4-8") == "claude-opus-4-8"
    assert label_text("Zoë's team") == "Zoë's team"
    assert label_text("a\nb\x00\u2028\ud800") == "a�b���"
    assert len(label_text("x" * 10_000)) == CHARS_MAX

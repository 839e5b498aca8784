"""Which rule a call meets, and what a caller may wish."""

from __future__ import annotations

import pytest

from thriftgate.core.earlier.rules import Rule, first_met, wish_of
from thriftgate.core.errors import InputError


def test_the_first_rule_whose_conditions_all_hold() -> None:
    rules = (
        Rule("a", key="key_1", task="triage"),
        Rule("b", model="claude-haiku-*"),
        Rule("c", task="fp:*", ttl_s=5.0),
    )
    for (key, task, model), name in {
        ("key_1", "triage", "claude-opus-4-8"): "a",
        ("key_2", "triage", "claude-haiku-5-5"): "b",
        ("key_1", "fp:12", "claude-opus-4-8"): "c",
    }.items():
        met = first_met(rules, key=key, task=task, model=model)
        assert met is not None
        assert met.name == name
    assert first_met(rules, key="key_2", task="triage", model="claude-opus-4-8") is None
    assert first_met((), key="key_1", task="", model="") is None
    assert first_met((Rule("all"),), key="none", task="", model="x") == Rule("all")


def test_wishes() -> None:
    assert [wish_of(told) for told in ("", " OFF ", "only-if-cached", "refresh")] == ["", "off", "only-if-cached", "refresh"]
    with pytest.raises(InputError, match="thriftgate-reuse: must be off, only-if-cached or refresh"):
        wish_of("yes")

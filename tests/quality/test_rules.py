"""Rules: how an answer is to be judged, as people write it."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.core.errors import InputError
from thriftgate.quality.rules import Code, Exact, Fields, Function, Llm, Numeric, Regex, Rule, Schema, rule_of


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("exact", Exact()),
        ({"kind": "exact", "ignore_case": True}, Exact(ignore_case=True)),
        ("regex:^yes$", Regex(pattern="^yes$")),
        ("schema", Schema()),
        ("numeric:0.01", Numeric(tolerance=0.01)),
        ({"kind": "fields", "all_or_nothing": True, "fields": ["a"]}, Fields(("a",), all_or_nothing=True)),
        ("code", Code()),
        ("llm:claude-opus-5-5", Llm("claude-opus-5-5")),
        ("function:checks:grade", Function("checks:grade")),
    ],
)
def test_what_can_be_written(written: Any, rule: Rule) -> None:
    assert rule_of(written) == rule


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("exat", "did you mean 'exact'?"),
        ("", "there is no judge ''"),
        ("exact:x", "exact takes no value"),
        ("numeric:near", "the tolerance must be a number"),
        ("numeric:-1", "must not be negative"),
        ("llm", "name the model that judges"),
        ("function:grade", "module:function"),
        ("function:mod:", "module:function"),
        ({"kind": "exact", "ignorecase": True}, "unknown field `ignorecase`"),
        ({"kind": "code", "cpu_s": 0}, "cpu_s of 1 or more"),
        ({"judge": "exact"}, "there is no judge None"),
    ],
)
def test_what_cannot(written: Any, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace("?", r"\?")):
        rule_of(written)

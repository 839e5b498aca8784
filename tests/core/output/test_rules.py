"""Which rule a call meets, the ready-made table, and what a rule may not say."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.core.output.rules import OUTPUT_KINDS, OutputRule, first_met, refined, trouble_with, usual_table
from thriftgate.core.routing.kinds import KINDS


def rule(**members: Any) -> OutputRule:
    return OutputRule("r", **members)


@pytest.mark.parametrize(
    ("members", "met"),
    [
        ({}, True),
        ({"task": "mail-sorter"}, True),
        ({"task": "mail-*"}, True),
        ({"task": "Mail-*"}, False),
        ({"task": "fp:*"}, False),
        ({"kind": "classify"}, True),
        ({"kind": "code"}, False),
        ({"key": "key_0?23"}, True),
        ({"key": "key_9"}, False),
        ({"task": "*", "kind": "classify", "key": "*"}, True),
        ({"task": "mail-*", "kind": "code"}, False),
    ],
    ids=str,
)
def test_conditions(members: dict[str, Any], met: bool) -> None:
    only = rule(**members)
    assert first_met([only], "mail-sorter", "classify", "key_0123") is (only if met else None)


def test_the_first_that_is_met() -> None:
    rules = (rule(kind="code"), rule(task="fp:*", cap=9), rule(cap=10))
    assert first_met(rules, "fp:0123456789ab", "", "") is rules[1]
    assert first_met(rules, "", "", "") is rules[2]
    assert first_met((), "a", "b", "c") is None


@pytest.mark.parametrize("task", ["classify", "extract", "summary", "email", "code", "article"])
def test_the_usual_table_knows_each_task_by_name_and_by_its_looks(task: str) -> None:
    table = usual_table()
    by_name, by_looks = first_met(table, task, "", "key_1"), first_met(table, "fp:1", task, "key_1")
    assert by_name is not None
    assert by_looks is not None
    assert by_name.name == by_looks.name == f"usual {task}"
    assert not any(trouble_with(row) for row in table)


def test_the_usual_table_leaves_other_calls_alone() -> None:
    table = usual_table()
    for kind in ("", "reason", "rag", "short_qa", "generate"):
        assert first_met(table, "fp:1", kind, "key_1") is None
    tag, route, json = (first_met(table, "fp:1", kind, "") for kind in ("tag", "route", "json_format"))
    assert tag is not None
    assert route is not None
    assert json is not None
    assert (tag.name, route.name, json.name) == ("usual classify", "usual classify", "usual extract")
    article = first_met(table, "article", "", "")
    assert article is not None
    assert (article.cap, article.brevity) == (0, "")


@pytest.mark.parametrize(
    ("kind", "instructions", "asked", "found"),
    [
        ("generate", "You summarise tickets.", "a ticket", "summary"),
        ("generate", "", "Summarize this:", "summary"),
        ("generate", "", "Please write a short, polite e-mail to Bob", "email"),
        ("generate", "", "Draft a blog post on cats", "article"),
        ("generate", "", "Summarize this and write an email", "generate"),
        ("generate", "", "translate this", "generate"),
        ("generate", "You write. Emails arrive daily.", "translate", "generate"),
        ("classify", "", "summarize", "classify"),
        ("", "", "summarize", ""),
    ],
)
def test_refined(kind: str, instructions: str, asked: str, found: str) -> None:
    assert refined(kind, instructions, asked) == found
    assert not found or found in OUTPUT_KINDS


def test_all_kinds_of_routing_are_kinds() -> None:
    assert set(KINDS) < set(OUTPUT_KINDS)


@pytest.mark.parametrize(
    ("members", "trouble"),
    [
        ({}, ""),
        ({"cap": "learned", "stop": ("END",), "prefill": "{", "until": "items:3", "brevity": "line"}, ""),
        ({"schema": b'{"type":"string"}', "repair": True}, ""),
        ({"cap": -1}, "cap: must not be less than 0"),
        ({"stop": ("\n",)}, "stop: the API takes no sequence of white space alone"),
        ({"stop": ("",)}, "stop: the API takes no sequence of white space alone"),
        ({"stop": tuple("abcdefghijklmnopq")}, "stop: 17 sequences, and 16 may be given"),
        ({"brevity": " "}, "brevity: must not be white space alone"),
        ({"prefill": "\n"}, "prefill: must not be white space alone"),
        ({"until": "never"}, "until: 'never' is not one of "),
        ({"kind": "essay"}, "kind: there is no essay (known: classify, "),
        ({"repair": True}, "repair: needs a schema"),
        ({"brevity": "x" * 4_001}, "brevity and prefill: 4000 characters at most"),
        ({"schema": b'{"type":"object"}'}, "schema: $: additionalProperties must be false"),
    ],
    ids=str,
)
def test_trouble(members: dict[str, Any], trouble: str) -> None:
    found = trouble_with(rule(**members))
    assert found.startswith(trouble)
    assert bool(found) is bool(trouble)

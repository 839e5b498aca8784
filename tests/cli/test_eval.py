"""`thriftgate eval`: its verbs, as they are called."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("verb", ["run", "compare", "report"])
def test_each_verb_has_its_help(run: Run, verb: str) -> None:
    done = run("eval", verb, "--help")
    assert done.code == 0
    assert "--json" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "run"),
        ("eval", "run", "set.jsonl"),
        ("eval", "compare", "r.jsonl", "a"),
        ("eval", "report"),
        ("eval", "what"),
    ],
)
def test_what_is_missing_is_bad_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2

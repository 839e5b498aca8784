"""`thriftgate cache`: the group."""

from __future__ import annotations

from tests.cli.conftest import Run


def test_the_group_names_its_verbs(run: Run) -> None:
    done = run("cache", "--help")
    assert done.code == 0
    assert "doctor" in done.out


def test_a_verb_that_is_not_there(run: Run) -> None:
    assert run("cache", "surgeon").code == 2


def test_doctor_prints_either_way(run: Run) -> None:
    line = b'{"model":"claude-opus-4-8","messages":[]}'
    assert run("cache", "doctor", "-", "--json", stdin=line).json()["requests"] == 1
    assert "Nothing breaks its prefix." in run("cache", "doctor", "-", stdin=line).out

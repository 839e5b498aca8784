"""`thriftgate budget`."""

from __future__ import annotations

from decimal import Decimal

from tests.cli.conftest import Books, Run


def test_made_shown_changed_and_ended(run: Run, books: Books) -> None:
    at = ("--ledger", books.path)
    spent = Decimal(run("report", *at, "--json").json()["paid_usd"])
    made = run(
        "budget", "set", "all", "--limit", "5", "--window", "total", "--stage", "50", "--stage", "90:batch", *at, "--json"
    )
    assert (made.code, made.err) == (0, "")
    document = made.json()
    assert [document[name] for name in ("limit_usd", "window", "hard")] == ["5", "total", True]
    assert document["stages"] == ["50", "90:batch"]
    (standing,) = document["standings"]
    assert Decimal(standing["spent_usd"]) == spent > 0  # what was spent before counts
    assert Decimal(standing["left_usd"]) == 5 - spent
    (past,) = document["past"]
    assert Decimal(past["spent_usd"]) == spent
    changed = run("budget", "set", "all", "--limit", "0.000001", "--soft", *at, "--json").json()
    assert (changed["id"], changed["hard"], changed["limit_usd"]) == (document["id"], False, "0.000001")
    listed = run("budget", "list", *at, "--json")
    assert listed.code == 1  # one is used up
    assert [one["stage"] for one in listed.json()["budgets"]] == ["90:batch"]
    for verb, words in (("list", "at this"), ("show", "windows so far")):
        told = run("budget", verb, *(["all"] if verb == "show" else []), *at)
        assert words in told.out
    assert run("budget", "clear", "all", *at, "--json").json()["freed_usd"] == "0"
    assert run("budget", "end", document["id"], *at, "--json").json()["ended"]
    empty = run("budget", "list", *at)
    assert (empty.code, empty.out) == (0, "")
    assert "there are no budgets" in empty.err


def test_one_for_each_key(run: Run, books: Books) -> None:
    at = ("--ledger", books.path)
    made = run("budget", "set", "each", "--limit", "5", "--scope", "key=*", "--window", "total", *at, "--json").json()
    paying = [one["key"] for one in run("report", *at, "--json").json()["by_key"] if one["paid_usd"] != "0"]
    assert [one["member"] for one in made["standings"]] == [f"key={key}" for key in paying]
    assert "(key=" in run("budget", "list", *at).out


def test_what_is_wrong_is_said(run: Run, books: Books) -> None:
    at = ("--ledger", books.path)
    for arguments, words in (
        (("set", "x"), "say how much may be spent"),
        (("set", "x", "--limit", "1", "--stage", "many"), "write a percentage"),
        (("set", "x", "--limit", "1", "--scope", "colour=red"), "kinds: org, team"),
        (("set", "x", "--limit", "1", "--zone", "Mars"), "no time zone 'Mars'"),
        (("set", "x", "--limit", "-1"), "limit must be above zero"),
        (("set", "x", "--limit", "1", "--stage", "80:cheaper:gpt"), "capability table"),
    ):
        done = run("budget", *arguments, *at)
        assert done.code == 2, arguments
        assert words in done.err
    for verb in ("show", "end", "clear"):
        done = run("budget", verb, "x", *at)
        assert (done.code, done.err) == (1, "thriftgate: there is no budget 'x'; `thriftgate budget list` shows all\n")

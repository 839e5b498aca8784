"""`thriftgate limits`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Books, Run


def test_made_shown_changed_and_ended(run: Run, books: Books, tmp_path: Path) -> None:
    at = ("--ledger", books.path)
    made = run("limits", "set", "each", "--metric", "requests", "--amount", "60", "--scope", "key=*", *at, "--json")
    assert (made.code, made.err) == (0, "")
    document = made.json()
    assert [document[name] for name in ("metric", "amount", "per", "burst")] == ["requests", 60, "minute", 60]
    assert document["id"].startswith("lim_")
    changed = run("limits", "set", "each", "--amount", "90", "--burst", "10", *at, "--json").json()
    assert (changed["id"], changed["amount"], changed["burst"]) == (document["id"], 90, 10)
    run("limits", "set", "money", "--metric", "usd", "--amount", "1.50", "--per", "hour", *at)
    run("limits", "set", "at once", "--metric", "concurrency", "--amount", "4", *at)
    file = tmp_path / "thriftgate.toml"
    file.write_text('[[limits.rules]]\nname = "ruled"\nmetric = "tokens"\namount = 1000\nscope = ["team=a", "tier=opus"]\n')
    listed = run("limits", "list", *at, "--config", str(file), "--json").json()["limits"]
    assert [one["name"] for one in listed] == ["ruled", "each", "money", "at once"]
    told = run("limits", "list", *at, "--config", str(file)).out
    for words in ("90 requests a minute, 10 at once", "$1.5 a hour", "4 calls at once", "1000 tokens a minute", "settings"):
        assert words in told
    shown = run("limits", "show", "each", *at).out
    assert "90 requests a minute, 10 at once, of key=*" in shown
    assert run("limits", "end", document["id"], *at, "--json").json()["ended"]
    assert "ended" in run("limits", "end", "money", *at).out
    run("limits", "end", "at once", *at)
    empty = run("limits", "list", *at)
    assert (empty.code, empty.out) == (0, "")
    assert "there are no limits" in empty.err


def test_what_is_wrong_is_said(run: Run, books: Books) -> None:
    at = ("--ledger", books.path)
    for arguments, words in (
        (("set", "x"), "say what is counted"),
        (("set", "x", "--metric", "words", "--amount", "1"), "none of requests, input_tokens"),
        (("set", "x", "--metric", "requests", "--amount", "1.5"), "write a whole number"),
        (("set", "x", "--metric", "requests", "--amount", "0"), "above zero"),
        (("set", "x", "--metric", "requests", "--amount", "1", "--per", "day"), "none of second, minute, hour"),
        (("set", "x", "--metric", "requests", "--amount", "1", "--scope", "colour=red"), "kinds: org, team"),
        (("set", "x", "--metric", "concurrency", "--amount", "1", "--burst", "2"), "have no burst"),
    ):
        done = run("limits", *arguments, *at)
        assert done.code == 2, arguments
        assert words in done.err
    for verb in ("show", "end"):
        done = run("limits", verb, "x", *at)
        assert (done.code, "there is no limit 'x'" in done.err) == (1, True)

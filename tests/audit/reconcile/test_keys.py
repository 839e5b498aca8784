"""What rows are told apart by, and what is folded where the report does not tell."""

from __future__ import annotations

from thriftgate.audit.reconcile.keys import Key, Slot, Told, slot_of

FINE = Key(20_000, "claude-opus-5-5", "wrkspc_a", "fast", "us", "write_1h")


def test_a_report_that_tells_all_keeps_rows_as_they_are() -> None:
    told = Told(model=True, workspace=True, fast=True, geo=True, kind=True)
    assert told.key(FINE) == FINE
    assert slot_of(FINE) == Slot(20_000, "claude-opus-5-5", "wrkspc_a", "fast", "us")


def test_what_it_does_not_tell_is_folded() -> None:
    told = Told(model=True, kind=True, unsplit=True)
    assert told.key(FINE) == Key(20_000, "claude-opus-5-5", "", "standard", "global", "write_unsplit")
    assert told.key(FINE._replace(mode="batch")).mode == "batch"
    assert Told().key(FINE) == Key(20_000, "", "", "standard", "global", "")
    searches = Key(20_000, "", "wrkspc_a", "standard", "global", "web_search")
    assert told.key(searches) == searches._replace(workspace="")


def test_rows_teach_what_is_told() -> None:
    plain = FINE._replace(mode="standard", kind="input")
    assert Told().seen(plain) == Told(model=True, kind=True)
    assert Told().seen(plain).seen(FINE) == Told(model=True, fast=True, kind=True)
    assert Told().seen(FINE._replace(kind="write_unsplit")).unsplit

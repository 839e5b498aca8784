"""What `thriftgate migrate` does: copy, compare, check, and tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import msgspec

from thriftgate.cli.books import check_is_ledger
from thriftgate.cli.ledger_check import checked
from thriftgate.cli.output import note, print_table, say
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.ledger.connection import Store
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.moving import Copied, claim_idle, copy_books
from thriftgate.ledger.sameness import Compared, Sums, compare_books
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.urls import IN_MEMORY, is_url, without_password

_T = TypeVar("_T")


class _Done(NamedTuple):
    """What was found, in order, and how long it took."""

    copied: list[Copied]
    compared: list[Compared]
    sums: list[Sums]
    seconds: dict[str, float]


def migrated(source: str, target: str, *, copy: bool, at_once: int) -> dict[str, Any]:
    """As `--json` prints it. Raises ConfigError, and LedgerError where either ledger is in use or cannot be used."""
    if at_once < 1:
        raise ConfigError("--batch: at least 1")
    if IN_MEMORY in (source, target) or _same(source, target):
        raise ConfigError("name two ledgers, each a file or a postgresql:// URL")
    check_is_ledger(source)
    if not copy:
        check_is_ledger(target)
    done = _Done([], [], [], {"copied": 0.0, "compared": 0.0, "checked": 0.0})
    with ExitStack() as stack:
        stores = [_opened(stack, path) for path in (source, target)]
        try:
            if copy:
                _timed(done, "copied", lambda: _copy(done, stores, at_once))
            _timed(done, "compared", lambda: _compare(done, stores, at_once))
        except (*stores[0].errors, *stores[1].errors) as error:
            names = f"{stores[0].name} to {stores[1].name}"
            raise LedgerError(f"the ledger cannot be copied from {names}: {_said(error)}; run it again to go on") from None
        books = _timed(done, "checked", lambda: checked(target, rebuild=False))
    return _document(source, target, done, books)


def _copy(done: _Done, stores: list[Store], at_once: int) -> None:
    for store in stores:
        claim_idle(store)
    copy_books(*stores, at_once=at_once, told=done.copied.append)


def _compare(done: _Done, stores: list[Store], at_once: int) -> None:
    done.sums.extend(compare_books(*stores, at_once=at_once, told=done.compared.append))


def _timed(done: _Done, what: str, work: Callable[[], _T]) -> _T:
    began = perf_counter()
    result = work()
    done.seconds[what] = round(perf_counter() - began, 3)
    return result


def _opened(stack: ExitStack, path: str) -> Store:
    store = open_store(path)
    stack.callback(store.close)
    return store


def _same(source: str, target: str) -> bool:
    if is_url(source) or is_url(target):
        return source == target
    return Path(source).resolve() == Path(target).resolve()


def _said(error: Exception) -> str:
    """Its first line: those after it may quote what stood in a row."""
    return str(error).partition("\n")[0]


def _document(source: str, target: str, done: _Done, books: dict[str, Any]) -> dict[str, Any]:
    copied = {one.table: one for one in done.copied}
    compared = {one.table: one for one in done.compared}.values()  # told anew where the server had to be asked again
    first = next((one.first for one in compared if one.first is not None), None)
    same = all(one.same for one in compared) and all(one.same for one in done.sums)
    sealed = any(one.table == "sealed" and one.rows for one in compared)
    return {
        "ok": same and books["ok"],
        "same": same,
        "from": without_password(source),
        "to": without_password(target),
        "schema": migrations()[-1][0],
        "tables": [
            {
                "table": one.table,
                "rows": one.rows,
                "target_rows": one.target_rows,
                "sha256": one.digest,
                "target_sha256": one.target_digest,
                "written": copied[one.table].written if one.table in copied else 0,
                "already": copied[one.table].already if one.table in copied else 0,
            }
            for one in compared
        ],
        "first_difference": msgspec.to_builtins(first),
        "postings": [msgspec.to_builtins(one) for one in done.sums],
        "check": {name: books[name] for name in ("ok", "unbalanced", "cells", "differing")},
        "master_key": _master_key(source, target) if sealed else None,
        "seconds": done.seconds,
    }


def _master_key(source: str, target: str) -> dict[str, str | None]:
    """Where the key is that the sealed rows want, and where it is looked for now, as far as files go."""
    here, there = (None if is_url(path) else str(MasterKey(path).file) for path in (source, target))
    return {"from": here, "to": there}


def print_migrated(document: dict[str, Any]) -> None:
    """For people."""
    rows = [
        (
            one["table"],
            f"{one['rows']:,}",
            f"{one['target_rows']:,}",
            f"{one['written']:,}",
            f"{one['already']:,}",
            "same" if one["sha256"] == one["target_sha256"] else "DIFFERS",
        )
        for one in document["tables"]
        if one["rows"] or one["target_rows"]
    ]
    print_table(("table", "rows", "at the target", "written", "already there", ""), rows)
    say(f"from {document['from']} to {document['to']}, schema {document['schema']}")
    _print_difference(document)
    check = document["check"]
    if check["ok"]:
        say(f"each entry sums to zero; {check['cells']:,} cells of roll-ups are what the entries say")
    else:
        say(f"{len(check['unbalanced'])} entries do not sum to zero, {check['differing']:,} cells of roll-ups differ")
        note("thriftgate ledger check tells more, and mends roll-ups")
    took = document["seconds"]
    say(f"copied in {took['copied']:,.1f} s, compared in {took['compared']:,.1f} s, checked in {took['checked']:,.1f} s")
    if document["master_key"] is not None:
        _note_master_key(document["master_key"])


def _print_difference(document: dict[str, Any]) -> None:
    first = document["first_difference"]
    if document["same"]:
        say("each row is the same on both sides, and so is what each account adds up to")
    elif first is not None:
        what = f"column {first['column']}: " if first["column"] else ""
        sides = (first["source"] or "no row", first["target"] or "no row")
        say(f"first difference: {first['table']} {' '.join(first['key'])}: {what}{sides[0]} here, {sides[1]} there")


def _note_master_key(place: dict[str, str | None]) -> None:
    key = place["from"] or "what access.master_key of the processes before says"
    if place["to"] is None:
        note(
            f"keys are sealed: give every process on the server the same master key, by access.master_key, "
            f"access.master_key_file or THRIFTGATE_MASTER_KEY; unless you set one before, it is in {key}"
        )
    else:
        note(f"keys are sealed: put the master key ({key}) into {place['to']}, chmod 600, or name it in the settings")

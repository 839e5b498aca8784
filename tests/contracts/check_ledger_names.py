"""What every ledger must do with the names in a call."""

from __future__ import annotations

from typing import Any

from tests.contracts.check_ledger import Check, Opener, entry_of, hold_of


async def calls_of_one_process_can_be_left_out(books: Opener) -> None:
    """Those whose id names it; an id of another form names none."""
    ledger = books.open()
    ours, theirs = (f"tg_{0:014x}{process}{1:04x}" for process in ("aaaaaaaa", "bbbbbbbb"))
    for call in ("x", ours, theirs):
        await ledger.hold(hold_of(f"{call}~" if call == "x" else call.replace("0001", "0002")))
        await ledger.settle(entry_of(call))
    assert [entry.id for entry in await ledger.entries(but_of="aaaaaaaa")] == [theirs, "x"]
    assert [hold.id for hold in await ledger.open_holds(but_of="aaaaaaaa")] == [theirs.replace("0001", "0002"), "x~"]
    assert len(await ledger.entries()) == len(await ledger.open_holds()) == 3
    await ledger.close()


async def a_name_without_end_is_cut(books: Opener) -> None:
    """It becomes a part of keys; what a provider told must not keep a call out of the books, nor those after it."""
    ledger, long = books.open(), "".join(chr(0x4E00 + at) for at in range(20_000))
    names: tuple[str, ...] = ("model", "served_model", "asked_model", "geo", "task", "upstream", "provider")
    told: dict[str, Any] = dict.fromkeys(names, long)
    kept: dict[str, Any] = dict.fromkeys(names, long[:85])
    await ledger.hold(hold_of("a", model=long, task=long))
    await ledger.settle(entry_of("a", **told))
    await ledger.settle(entry_of("b"))
    assert await ledger.entry("a") == entry_of("a", **kept)
    assert [(one.name, one.calls) for one in (await ledger.report()).by_model] == [("m", 1), (long[:85], 1)]
    await ledger.close()


CHECKS: tuple[Check, ...] = (a_name_without_end_is_cut, calls_of_one_process_can_be_left_out)

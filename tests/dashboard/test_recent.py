"""Single calls in lists."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.cli.entries import entry_of
from tests.fixtures import books
from thriftgate.core.control.whose import Whose
from thriftgate.dashboard.look import look_of
from thriftgate.dashboard.recent import is_within, latest, settled_of, under_way
from thriftgate.ledger.entries import Hold

LOOK = look_of({"span": "all"}, 1_795_262_400.0)


async def test_a_row_tells_the_same_as_its_entry(tmp_path: Path) -> None:
    entries = [entry_of(id=f"tg_{at}", whose=Whose(team="t"), task="x", stream=bool(at % 2)) for at in range(5)]
    async with books(tmp_path / "books.db") as ledger:
        for entry in entries:
            await ledger.settle(entry)
        rows = await ledger.ask(lambda connection: latest(connection, LOOK, limit=3))
        after = await ledger.ask(lambda connection: latest(connection, LOOK, after="tg_3"))
        none = await ledger.ask(lambda connection: latest(connection, look_of({"team": "other"}, 0.0)))
    assert rows == [settled_of(entry) for entry in reversed(entries[2:])]
    assert [one.id for one in after] == ["tg_4"]
    assert none == []
    document = rows[0].document()
    assert (document["cost_usd"], document["saved_usd"], document["prompt_tokens"]) == ("0.0026", "0.0038", 1_100)


def test_calls_under_way() -> None:
    holds = [
        Hold("a", 10**6, "key_1", "m", 9, 5),
        Hold("b", 2 * 10**6, "key_2", "m", 9, 5),
        Hold("c", 0, "k", "m", 1, 1, "b1"),
    ]
    told = under_way(holds, LOOK, 4_500_000)
    assert [(one["id"], one["age_s"]) for one in told] == [("b", 2.5), ("a", 3.5)], "the newest first; none that waits"
    assert [one["id"] for one in under_way(holds, msgspec.structs.replace(LOOK, key="key_1"), 0)] == ["a"]


def test_who_is_looked_at() -> None:
    one = settled_of(entry_of(whose=Whose(team="t")))
    assert is_within(one, LOOK)
    assert is_within(one, msgspec.structs.replace(LOOK, team="t"))
    assert not is_within(one, msgspec.structs.replace(LOOK, team="u"))

"""What pages ask the roll-ups for."""

from __future__ import annotations

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.sums import (
    Sum,
    columns_of,
    columns_told,
    grouped,
    names_known,
    over_time,
    placed,
    question,
    step_of,
    summed,
)
from thriftgate.ledger.sql_spend import spend


async def test_columns_add_up_to_the_whole(sources: Sources) -> None:
    for span, unit in (("24h", "hour"), ("7d", "day"), ("1y", "day"), ("all", "day")):
        look = asked_of(sources, span=span).look
        steps = await sources.books.ask(lambda connection, look=look: columns_of(connection, look))  # type: ignore[misc]
        assert steps.unit == unit
        cells = await sources.books.ask(
            lambda connection, look=look, steps=steps: spend(connection, question(look, step=step_of(steps)))  # type: ignore[misc]
        )
        whole = await sources.books.ask(lambda connection, look=look: spend(connection, question(look)))  # type: ignore[misc]
        assert sum(one.paid for one in over_time(steps, cells)) == summed(whole).paid > 0


def test_cells_stand_in_their_column() -> None:
    from thriftgate.dashboard.look import look_of

    look = look_of({}, 1_795_262_400.0)
    steps = columns_told(
        {"unit": "day", "zone": "UTC", "steps": [{"start": f"2026-11-{at}T00:00:00Z"} for at in (19, 20)]}, look
    )
    assert [placed(steps, edge) for edge in (0, *steps.edges[:2], steps.edges[1] + 1, 2**60)] == [0, 0, 1, 1, 1]
    assert Sum().document() == {"calls": 0, "baseline_usd": "0", "paid_usd": "0", "saved_usd": "0"}


async def test_names_and_groups(sources: Sources) -> None:
    known = await sources.books.ask(names_known)
    assert "key_ci" in known["key"]
    assert "" not in known["team"]
    mine = await sources.books.ask(lambda connection: names_known(connection, "data"))
    assert (mine["key"], mine["team"]) == (["key_nightly"], ["data"])
    rows = await sources.books.ask(lambda connection: grouped(connection, asked_of(sources, span="all").look, "team"))
    assert [row["baseline_usd"] for row in rows] == sorted((row["baseline_usd"] for row in rows), key=float, reverse=True), (
        "what would have cost most first"
    )

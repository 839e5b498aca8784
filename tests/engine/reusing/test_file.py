"""Answers in a file: they survive a restart, sealed, and open nowhere but at their own place."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.check_store import CHECKS, NOW_S
from tests.engine.reusing.stage import ON, ask, entries, reused
from tests.fixtures import engine_on, simulator
from thriftgate.core.errors import ConfigError
from thriftgate.engine.reusing.file import FileStore, cleared, stats
from thriftgate.engine.reusing.store import Bounds, Store
from thriftgate.ledger.sealing import Sealer

MASTER = b"m" * 32
SECRET = b'{"type":"message","content":[{"type":"text","text":"the plan is called Nightingale"}]}'


SMALL = Bounds(3, 5_000)


def store_at(path: Path, bounds: Bounds = SMALL, master: bytes = MASTER) -> FileStore:
    return FileStore(str(path), Sealer(master), bounds)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Callable[[Store], Awaitable[None]], tmp_path: Path) -> None:
    store = store_at(tmp_path / "answers.db")
    await check(store)
    await store.close()


async def test_it_survives_and_two_share_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.db"
    one, other = store_at(file), store_at(file)
    await one.put(b"a", kept(SECRET), NOW_S + 100)
    found = await other.get(b"a")
    assert found is not None
    assert found.body == SECRET
    await one.close()
    await other.close()
    again = store_at(file)
    assert await again.get(b"a") == kept(SECRET)
    await again.close()


async def test_nothing_of_it_is_readable(tmp_path: Path) -> None:
    file = tmp_path / "answers.db"
    store = store_at(file)
    await store.put(b"a", kept(SECRET), NOW_S + 100)
    await store.close()
    raw = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"Nightingale" not in raw
    assert b"message" not in raw


async def test_a_row_that_was_moved_changed_or_sealed_otherwise_does_not_open(tmp_path: Path) -> None:
    file = tmp_path / "answers.db"
    store = store_at(file)
    for key in (b"a", b"b", b"c"):
        await store.put(key, kept(id=key.decode()), NOW_S + 100)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "update answers set sealed = (select sealed from answers where digest = ?) where digest = ?", (b"a", b"b")
        )
        connection.execute("update answers set sealed = substr(sealed, 1, 30) where digest = ?", (b"c",))
    assert [await store.get(key) is None for key in (b"a", b"b", b"c")] == [False, True, True]
    assert stats(str(file)).answers == 1  # they are dropped
    await store.close()
    other = store_at(file, master=b"n" * 32)
    assert await other.get(b"a") is None
    await other.close()
    assert stats(str(file)) == (0, 0, 0, 0)


async def test_counted_and_cleared(tmp_path: Path) -> None:
    file = tmp_path / "answers.db"
    store = store_at(file, Bounds())
    for at, (key, team, org) in enumerate((("k1", "t1", "o"), ("k2", "t1", "o"), ("k3", "t2", "o"), ("", "", ""))):
        await store.put(b"%d" % at, kept(key=key, team=team, org=org, at_s=NOW_S + at), NOW_S + 100)
    told = stats(str(file))
    assert (told.answers, told.oldest_us, told.newest_us) == (4, int(NOW_S * 1e6), int((NOW_S + 3) * 1e6))
    assert told.bytes == 4 * kept().size_bytes
    assert cleared(str(file), key="k1", team="t2") == 0
    assert cleared(str(file), key="k1") == 1
    assert cleared(str(file), team="t1") == 1
    assert await store.get(b"1") is None  # for one that is running, too
    assert cleared(str(file), org="o") == 1
    assert cleared(str(file)) == 1
    await store.close()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database at all, but long enough to look like a file of another kind" * 20)
    for path in (tmp_path, tmp_path / "x"):
        with pytest.raises(ConfigError, match=r"reuse\.path: cannot open"):
            store_at(path)


async def test_an_engine_that_was_restarted_still_knows(tmp_path: Path) -> None:
    """And one under other settings does not: it would have asked for another answer."""
    sim = simulator()
    told = {"path": str(tmp_path / "answers.db"), "rules": ({},)}
    ledger = {"path": str(tmp_path / "books.db")}
    brief = {"tasks": ({"name": "brief", "brevity": "word"},)}
    for output, calls in (({}, 1), ({}, 1), (brief, 2), ({}, 2)):
        async with engine_on(sim, policy=ON, reuse=told, ledger=ledger, output=output) as engine:
            await ask(engine)
            assert len(sim.bill.calls) == calls
            booked = await entries(engine)
            assert sum(not reused(entry) for entry in booked) == calls
    assert b"hello there" not in b"".join(one.read_bytes() for one in tmp_path.iterdir() if one.is_file())

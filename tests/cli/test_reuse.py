"""`thriftgate reuse`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cli.conftest import Run
from tests.core.earlier.test_answer import kept
from tests.engine.reusing.check_store import NOW_S
from tests.engine.reusing.test_file import store_at
from thriftgate.engine.reusing.store import Bounds


async def _fill(path: Path) -> None:
    store = store_at(path, Bounds())
    for at, team in enumerate(("team_1", "team_2", "team_2")):
        await store.put(b"%d" % at, kept(team=team, at_s=NOW_S + at), NOW_S + 100)
    await store.close()


def test_counted_and_cleared(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "answers.db"
    asyncio.run(_fill(file))
    told = run("reuse", "stats", "--path", str(file), "--json").json()
    assert told["answers"] == 3
    assert told["bytes"] == 3 * kept().size_bytes
    assert (told["oldest"], told["newest"]) == ("2026-11-21T12:00:00.000Z", "2026-11-21T12:00:02.000Z")
    assert "3 answers" in run("reuse", "stats", "--path", str(file)).out
    assert run("reuse", "clear", "--team", "team_2", "--path", str(file), "--json").json() == {"cleared": 2}
    assert "1 answers are gone" in run("reuse", "clear", "--path", str(file)).out
    assert "no answers are kept" in run("reuse", "stats", "--path", str(file)).out


def test_where_there_is_no_file(run: Run, tmp_path: Path) -> None:
    for verb in ("stats", "clear"):
        none, absent = run("reuse", verb), run("reuse", verb, "--path", str(tmp_path / "x.db"))
        assert (none.code, absent.code) == (2, 2)
        assert "in the memory of the gateway" in none.err
        assert "there is no file" in absent.err
        assert not (tmp_path / "x.db").exists()

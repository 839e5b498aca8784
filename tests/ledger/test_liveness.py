"""Locks that tell which processes are alive: held while they live, let go of however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import TestClock
from thriftgate.core.errors import LedgerError
from thriftgate.engine.build import call_ids
from thriftgate.ledger.liveness import Liveness, process_of

ALIVE = """
import sys, time
from thriftgate.ledger.liveness import Liveness
liveness = Liveness(sys.argv[1], sys.argv[2])
print("alive", flush=True)
sys.stdin.read()
if sys.argv[3:] == ["close"]:
    liveness.close()
"""


def started(path: Path, token: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process that holds its lock until its stdin ends."""
    command = [sys.executable, "-c", ALIVE, str(path), token, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "alive\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait(timeout=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def me(path: Path) -> Iterator[Liveness]:
    made = Liveness(str(path), "aaaaaaaa")
    yield made
    made.close()


def locks(path: Path) -> set[str]:
    """What stands beside the books; a lock that is held has a journal."""
    return {one.name for one in path.parent.iterdir()} - {"books.db-live-aaaaaaaa-journal"}


def test_it_is_alive_itself(me: Liveness) -> None:
    assert me.is_alive("aaaaaaaa")


@pytest.mark.parametrize("token", ["", "bbbbbbbb", "never/was", "x" * 50])
def test_who_never_was_is_not_alive(me: Liveness, path: Path, token: str) -> None:
    before = locks(path)
    assert not me.is_alive(token)
    assert locks(path) == before


def test_another_in_the_same_process_is_alive_until_it_closes(me: Liveness, path: Path) -> None:
    other = Liveness(str(path), "bbbbbbbb")
    assert me.is_alive("bbbbbbbb")
    assert other.is_alive("aaaaaaaa")
    other.close()
    other.close()
    assert not me.is_alive("bbbbbbbb")
    assert locks(path) == {"books.db-live-aaaaaaaa"}


def test_another_process_is_alive_until_it_is_killed(me: Liveness, path: Path) -> None:
    process = started(path, "bbbbbbbb")
    assert all(me.is_alive("bbbbbbbb") for _ in range(3))
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    assert not me.is_alive("bbbbbbbb")
    assert locks(path) == {"books.db-live-aaaaaaaa"}  # what it left was cleared away


@pytest.mark.parametrize("arguments", [("close",), ()])
def test_a_process_that_ends_lets_go(me: Liveness, path: Path, arguments: tuple[str, ...]) -> None:
    process = started(path, "bbbbbbbb", *arguments)
    ended(process)
    assert not me.is_alive("bbbbbbbb")


def test_a_name_is_one_process_own(me: Liveness, path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot lock .*books\.db-live-aaaaaaaa: another process bears the same name"):
        Liveness(str(path), "aaaaaaaa")
    assert me.is_alive("aaaaaaaa")


def test_processes_on_other_books_are_others(me: Liveness, tmp_path: Path) -> None:
    other = Liveness(str(tmp_path / "other.db"), "bbbbbbbb")
    assert not me.is_alive("bbbbbbbb")
    other.close()


def test_whatever_way_leads_to_the_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One names the file, one a link to it, one a path from where it stands: a living one must not look dead."""
    folder = tmp_path / "real"
    folder.mkdir()
    (folder / "books.db").touch()
    (tmp_path / "link.db").symlink_to(folder / "books.db")
    monkeypatch.chdir(folder)
    ways = [
        str(folder / "books.db"),
        str(tmp_path / "link.db"),
        "books.db",
        str(tmp_path / "real" / ".." / "real" / "books.db"),
    ]
    everyone = [Liveness(way, f"{number:08}") for number, way in enumerate(ways)]
    monkeypatch.chdir(tmp_path)
    for one in everyone:
        assert all(one.is_alive(f"{number:08}") for number in range(len(ways)))
    for one in everyone:
        one.close()
    assert locks(folder / "books.db") == {"books.db"}


def test_a_lock_that_cannot_be_tried_counts_as_held(me: Liveness, path: Path) -> None:
    """Whether that process lives cannot be told, so its calls are left alone."""
    (path.parent / "books.db-live-bbbbbbbb").mkdir()
    assert me.is_alive("bbbbbbbb")


def test_books_in_memory_have_no_company() -> None:
    one, two = (Liveness(":memory:", "aaaaaaaa") for _ in range(2))
    assert one.is_alive("aaaaaaaa")
    assert not one.is_alive("bbbbbbbb")
    one.close()
    two.close()
    assert not Path(":memory:-live-aaaaaaaa").exists()


def test_where_no_lock_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot lock"):
        Liveness(str(tmp_path / "none" / "books.db"), "aaaaaaaa")


def test_an_id_tells_who_gave_it() -> None:
    new_id = call_ids(TestClock(), "0123abcd")
    assert {process_of(new_id()) for _ in range(3)} == {"0123abcd"}


@pytest.mark.parametrize(
    "call_id", ["", "tg_1", "tg_" + "0" * 25, "tg_" + "0" * 27, "tx_" + "0" * 26, "0" * 29, "tgb" + "0" * 26]
)
def test_other_ids_tell_nothing(call_id: str) -> None:
    assert process_of(call_id) == ""

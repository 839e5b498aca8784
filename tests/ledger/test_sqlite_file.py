"""Files that are not open over a fork, with real forks: in programs of their own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from thriftgate.ledger.sqlite_file import SqliteFile

FORKS = 6
PROGRAM = f"""
import os, sys, threading, time
from thriftgate.ledger.sqlite import SqliteStore

store = SqliteStore.open(sys.argv[1])

def note(connection, who):
    connection.execute("insert into meta values (?, '')", (f"{{who}} {{time.monotonic_ns()}}",))
    time.sleep(0.005)

def many(store, who):
    for _ in range(20):
        store.write(lambda connection: note(connection, who))
        time.sleep(0.005)

many(store, "alone")
writing = threading.Thread(target=many, args=(store, "parent"))
writing.start()
for _ in range({FORKS}):
    time.sleep(0.02)
    if not os.fork():
        own = SqliteStore.open(sys.argv[1])
        many(own, "child")
        own.close()
        os._exit(0)
writing.join()
store.close()  # the children still write: what they and this one wrote must all be there
for _ in range({FORKS}):
    assert os.wait()[1] == 0
"""

CROSSED = """
import os, sqlite3, sys, threading, time
from thriftgate.ledger.sqlite_file import SqliteFile

files = [SqliteFile(lambda at=at: sqlite3.connect(f"{sys.argv[1]}{at}", check_same_thread=False)) for at in range(2)]
inside = threading.Event()

def crossing(first, second):
    with first:
        inside.set()
        time.sleep(0.2)
        with second:
            pass

for order in (files, files[::-1]):
    inside.clear()
    crosses = threading.Thread(target=crossing, args=order)
    crosses.start()
    inside.wait()
    child = os.fork()
    for file in files:
        assert file._connection is None  # neither here nor in the child
        with file as connection:
            connection.execute("select 1")
    if not child:
        os._exit(0)
    crosses.join()
    assert os.waitpid(child, 0)[1] == 0
"""


def run(program: str, path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", program, str(path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_parent_and_children_write_one_file(tmp_path: Path) -> None:
    run(PROGRAM, tmp_path / "books.db")
    connection = sqlite3.connect(tmp_path / "books.db")
    rows = connection.execute("select substr(name, 1, 5), count(*) from meta where value = '' group by 1").fetchall()
    assert {"alone": 20, "child": 20 * FORKS, "paren": 20}.items() <= dict(rows).items()
    assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_fork_waits_for_one_who_uses_two_files_in_either_order(tmp_path: Path) -> None:
    run(CROSSED, tmp_path / "file")


def test_what_cannot_be_opened_can_be_tried_again(tmp_path: Path) -> None:
    file = SqliteFile(lambda: sqlite3.connect(tmp_path / "no folder" / "file"))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError), file:
            pass
    (tmp_path / "no folder").mkdir()
    with file as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    file.close()

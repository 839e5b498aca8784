"""Real PostgreSQL and Redis servers for tests: private, on loopback, in a temporary folder, stopped by process id.

Programs come from PATH or from Debian's places. Where there is none, `pytest.skip` tells which; with the variable
THRIFTGATE_SERVERS=required that is a failure instead. Where the tests run as root, the servers run as `postgres` or else
`nobody`: PostgreSQL wants no root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

START_S = 60.0  # a busy machine may take long; only a failing test waits so long
STOP_S = 20.0
POLL_S = 0.02
DEBIAN = "/usr/lib/postgresql/*/bin"


class PostgresServer(NamedTuple):
    """A running server with one superuser, `thriftgate`, who needs no password."""

    url: str
    port: int
    pid: int
    folder: Path


class RedisServer(NamedTuple):
    """A running server without a password that keeps nothing on disk."""

    url: str
    port: int
    pid: int
    folder: Path


@contextlib.contextmanager
def postgres_server(*, fsync: bool = False, settings: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """`settings` are further `name=value`. Without `fsync` commits survive a killed process, not a lost machine."""
    initdb, postgres = _program("initdb"), _program("postgres")
    user = _unprivileged()
    with _folder(user) as folder:
        data, log = folder / "data", folder / "log"
        port = _free_port()
        making = [initdb, "-D", str(data), "-U", "thriftgate", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(_as(user, making), capture_output=True, text=True, timeout=START_S, check=False, cwd=folder)
        assert made.returncode == 0, made.stderr
        given = [
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "shared_buffers=64MB",
            f"fsync={'on' if fsync else 'off'}",
            f"synchronous_commit={'on' if fsync else 'off'}",
            f"full_page_writes={'on' if fsync else 'off'}",
            *settings,
        ]
        command = _as(user, [postgres, "-D", str(data), *(part for one in given for part in ("-c", one))])
        with _running(command, log, stop=signal.SIGQUIT) as pid:  # at once: nobody asks for these books again
            url = f"postgresql://thriftgate@127.0.0.1:{port}/postgres"
            _wait(lambda: _postgres_answers(url), pid, log)
            yield PostgresServer(url, port, pid, folder)


@contextlib.contextmanager
def redis_server(*arguments: str, keep: bool = False) -> Iterator[RedisServer]:
    """`arguments` as on the server's command line; with `keep` an append-only file is written and synced."""
    program = _program("redis-server", "valkey-server")
    user = _unprivileged()
    with _folder(user) as folder:
        port, log = _free_port(), folder / "log"
        keeping = ("--appendonly", "yes", "--appendfsync", "always") if keep else ("--appendonly", "no", "--save", "")
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *keeping, *arguments]
        with _running(_as(user, command), log, stop=signal.SIGTERM) as pid:
            _wait(lambda: _redis_answers(port), pid, log)
            yield RedisServer(f"redis://127.0.0.1:{port}/0", port, pid, folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the session; tests make databases or schemas of their own on it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """One server for the session; tests use key prefixes or numbered databases of their own."""
    with redis_server() as server:
        yield server


def _program(*names: str) -> str:
    places = os.pathsep.join([os.environ.get("PATH", ""), *(str(place) for place in sorted(Path("/").glob(DEBIAN[1:])))])
    for name in names:
        found = shutil.which(name, path=places)
        if found:
            return found
    wanted = f"{' or '.join(names)} is not installed"
    if os.environ.get("THRIFTGATE_SERVERS") == "required":
        pytest.fail(wanted)
    pytest.skip(wanted)


def _unprivileged() -> pwd.struct_passwd | None:
    """Who to run as instead of root; None where the tests do not run as root."""
    if os.getuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("running as root and there is neither a user postgres nor nobody for servers")


def _as(user: pwd.struct_passwd | None, command: list[str]) -> list[str]:
    if user is None:
        return command
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


@contextlib.contextmanager
def _folder(user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Not pytest's own: those are closed to other users, and too deep for the path of a socket."""
    folder = Path(tempfile.mkdtemp(prefix="tg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], log: Path, *, stop: signal.Signals) -> Iterator[int]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=log.parent)
    try:
        yield process.pid
    finally:
        process.send_signal(stop)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(answers: Callable[[], bool], pid: int, log: Path) -> None:
    import time

    until = time.monotonic() + START_S
    while not answers():
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if ended or time.monotonic() > until:
            pytest.fail(f"the server {'ended' if ended else 'does not answer'}: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL_S)


def _postgres_answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith(b"+PONG")
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""A worker, begun as its supervisor begins it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fixtures import PATIENCE_S
from thriftgate.cli.ask import get
from thriftgate.cli.control import Down, Order, Said, Up, frame, take
from thriftgate.cli.serving import bind
from thriftgate.providers.transport import Timeouts


def begun(document: dict[str, Any]) -> tuple[subprocess.Popen[bytes], socket.socket, Said | None]:
    """The process, our end of the pair, and what it said first."""
    ours, theirs = socket.socketpair()
    with bind("127.0.0.1", 0) as bound, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "thriftgate.cli.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(), bound.fileno()),
            stderr=subprocess.PIPE,
        )
        ours.settimeout(PATIENCE_S)
        ours.sendall(frame(Order(document, bound.fileno())))
    return process, ours, take(ours)


def test_it_serves_on_the_socket_it_was_given_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    document = {"ledger": {"path": str(tmp_path / "books.db")}, "server": {"supervise": True}}
    process, ours, said = begun(document)
    with process:
        assert isinstance(said, Up)
        assert said.url in said.notes[0]
        assert get(said.url + "/readyz", timeouts=Timeouts(5, 5))[0] == 200
        ours.close()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert b"the supervisor is gone" in process.stderr.read()


def test_one_that_cannot_serve_says_why(tmp_path: Path) -> None:
    process, ours, said = begun({"ledger": {"path": str(tmp_path)}})
    with process, ours:
        assert isinstance(said, Down)
        assert f"cannot open the ledger {tmp_path}" in said.why
        assert process.wait(PATIENCE_S) == 1

"""The sockets of several workers."""

from __future__ import annotations

import socket
import sys

import pytest

from thriftgate.cli.serving import bind
from thriftgate.cli.sockets import Sockets
from thriftgate.core.errors import ConfigError

SPREAD = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="SO_REUSEPORT spreads connections on Linux only")


@SPREAD
def test_connections_are_spread_over_them() -> None:
    sockets = Sockets("127.0.0.1", 0, 2)
    taken = _taken_of_100(sockets)
    sockets.close()
    assert sum(taken) == 100
    assert min(taken) > 20, taken  # each goes to either with one half: 20 and fewer once in 10^9 runs


@SPREAD
def test_one_that_is_left_gets_none_until_it_is_asked_for_again() -> None:
    sockets = Sockets("127.0.0.1", 0, 2)
    address = sockets.of(0).getsockname()
    sockets.leave(0)
    assert _taken_of_100(sockets, only=(1,)) == [100]
    assert sockets.of(0).getsockname() == address
    assert min(_taken_of_100(sockets)) > 20
    sockets.close()


def test_one_alone_is_a_socket_like_any_other() -> None:
    sockets = Sockets("127.0.0.1", 0, 1)
    sockets.leave(0)  # there is nobody else
    assert _taken_of_100(sockets, only=(0,)) == [100]
    sockets.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_port_that_is_taken(count: int) -> None:
    """Even by somebody who would share it: calls must not go to another gateway by mistake."""
    first = Sockets("127.0.0.1", 0, 2)
    port = first.of(0).getsockname()[1]
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
        Sockets("127.0.0.1", port, count)
    first.close()
    with bind("127.0.0.1", port):
        pass


def _taken_of_100(sockets: Sockets, only: tuple[int, ...] = (0, 1)) -> list[int]:
    """How many of a hundred connections each of them has taken."""
    clients = [socket.create_connection(sockets.of(only[0]).getsockname(), timeout=5) for _ in range(100)]
    taken = [_accepted(sockets.of(number)) for number in only]
    for one in clients:
        one.close()
    return taken


def _accepted(listening: socket.socket) -> int:
    listening.settimeout(0.05)
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except TimeoutError:
            return count
        count += 1

"""What a supervisor and its workers say to each other."""

from __future__ import annotations

import asyncio
import datetime
import socket

from thriftgate.cli.control import Down, Order, Retire, Up, frame, hear, take


def test_each_hears_what_the_other_says_in_order() -> None:
    one, other = socket.socketpair()
    with one, other:
        said = (Order({"server": {"port": 0}}, 7), Up("http://x", ("a", "b")), Down("no"), Retire())
        one.sendall(b"".join(frame(word) for word in said))
        assert tuple(take(other) for _ in said) == said


def test_dates_of_settings_become_words() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(frame(Order({"prices": {"from": datetime.date(2026, 11, 22)}}, 7)))
        assert take(other) == Order({"prices": {"from": "2026-11-22"}}, 7)


async def test_whoever_is_gone_says_nothing_any_more() -> None:
    one, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=other)
    one.sendall(frame(Retire()) + frame(Down("not to its end"))[:-1])
    one.close()
    assert await hear(reader) == Retire()
    assert await hear(reader) is None
    writer.close()
    one, other = socket.socketpair()
    one.close()
    with other:
        assert take(other) is None

"""Who may look where nobody logs in; the gateway's own gate is driven in test_app.py and in the browser."""

from __future__ import annotations

from typing import Any

import pytest

from thriftgate.core.errors import NotAllowed
from thriftgate.dashboard.gates import HERE, AtThisMachine, host_named, is_here


def scope(client: str, host: str) -> dict[str, Any]:
    return {"client": (client, 1), "headers": [(b"host", host.encode())]}


@pytest.mark.parametrize(
    ("client", "host", "here"),
    [
        ("127.0.0.1", "127.0.0.1:8485", True),
        ("127.0.0.1", "localhost:8485", True),
        ("::1", "[::1]:8485", True),
        ("127.0.0.1", "evil.example:8485", False),
        ("10.0.0.7", "127.0.0.1:8485", False),
        ("127.0.0.1", "", False),
    ],
)
async def test_only_this_machine_by_its_own_name(client: str, host: str, here: bool) -> None:
    assert is_here(scope(client, host)) is here
    gate = AtThisMachine()
    if here:
        assert await gate.viewer(scope(client, host)) is HERE
        return
    with pytest.raises(NotAllowed):
        await gate.viewer(scope(client, host))


async def test_nothing_changes_there() -> None:
    gate = AtThisMachine()
    for work in (gate.check({}, ""), gate.log_in({}, "tg-x"), gate.log_out({}, "")):
        with pytest.raises(NotAllowed):
            await work
    assert (gate.has_login, gate.identity_provider) == (False, "")


def test_hosts() -> None:
    assert (host_named("[::1]:1"), host_named("LOCALHOST:80"), host_named("a")) == ("::1", "localhost", "a")

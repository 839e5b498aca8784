"""The table of servers."""

from __future__ import annotations

import re

import pytest

from thriftgate.wire.openai_out.servers import EFFORTS, SERVERS, Server


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_row_is_one_that_can_be_used(server: Server) -> None:
    assert server.name.isidentifier()
    assert re.search(r"[a-z]+[.][a-z]+/.*20[0-9]{2}-[0-9]{2}$", server.source)
    assert not server.url or server.url.startswith("https://")
    assert set(server.efforts) <= set(EFFORTS)
    assert [EFFORTS.index(level) for level in server.efforts] == sorted(EFFORTS.index(level) for level in server.efforts)
    assert bool(server.efforts) == (server.thinking not in ("", "enable_thinking"))
    assert server.marks or not server.tool_marks
    assert not server.messages or 'provider = "anthropic"' in server.messages


def test_names_are_unique() -> None:
    assert len({server.name for server in SERVERS}) == len(SERVERS)

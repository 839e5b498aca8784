"""Both servers, up and down."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from thriftgate.cli.ask import get
from thriftgate.core.errors import LedgerError, Unreachable
from thriftgate.demo.clock import DemoClock
from thriftgate.demo.servers import servers
from thriftgate.providers.transport import Timeouts

QUICK = Timeouts(2, 5)


def test_up_then_down(tmp_path: Path) -> None:
    with servers(str(tmp_path / "l.db"), DemoClock()) as running:
        assert get(running.url + "/readyz", timeouts=QUICK)[0] == 200
        assert b'"simulated":true' in get(running.simulator_url + "/_sim/bill", timeouts=QUICK)[1]
        assert running.engine.key_of("sk-ant-sim-a-demo").startswith("key_")
    for url in (running.url, running.simulator_url):
        with pytest.raises(Unreachable):
            get(url, timeouts=QUICK)
    assert "demo-servers" not in {thread.name for thread in threading.enumerate()}


def test_both_follow_the_clock(tmp_path: Path) -> None:
    clock = DemoClock(1_795_262_400.0)
    with servers(str(tmp_path / "l.db"), clock) as running:
        clock.pause(3600)
        assert b"2026-11-21T13:00" in get(running.simulator_url + "/_sim/clock", timeouts=QUICK)[1]
        assert running.engine.clock.now_s() > 1_795_266_000.0


def test_what_keeps_them_from_starting_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError), servers(str(tmp_path / "file" / "l.db"), DemoClock()):
        pass
    assert "demo-servers" not in {thread.name for thread in threading.enumerate()}

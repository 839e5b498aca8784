"""One process that serves."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.fixtures import settings_of
from thriftgate.cli.serve_one import GatewayLife, notify, patience_of, told_to_reload
from thriftgate.core.errors import ConfigError
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.settings import Settings


def test_its_patience_is_what_the_settings_say() -> None:
    patience = patience_of(settings_of(server={"shutdown_s": 7.0, "drain_wait_s": 3.0}))
    assert patience == (7.0, 3.0, True)


def test_a_gateway_is_told_of_its_end_step_by_step() -> None:
    gateway = Gateway(settings_of())
    life = GatewayLife(gateway, patience_of(gateway.settings))
    assert (gateway.draining.on, gateway.draining.cutting) == (False, False)
    life.draining()
    assert (gateway.draining.on, gateway.draining.cutting) == (True, False)
    life.cutting()
    assert (gateway.draining.on, gateway.draining.cutting) == (True, True)


def test_systemd_is_told_where_it_wants_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")  # to nobody
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    notify("STOPPING=1")  # nobody listens any more, and nothing breaks


def test_without_a_supervisor_a_reload_only_says_whether_settings_are_good(capfd: pytest.CaptureFixture[str]) -> None:
    def bad() -> Settings:
        raise ConfigError("server.prot: unknown setting")

    before = signal.getsignal(signal.SIGHUP)
    try:
        for read, words in ((settings_of, "server.supervise"), (bad, "server.prot: unknown setting")):
            told_to_reload(read, Entrance(settings_of().server))
            os.kill(os.getpid(), signal.SIGHUP)
            assert words in capfd.readouterr().err
    finally:
        signal.signal(signal.SIGHUP, before)

"""A supervisor and its workers; how they fare under load is in tests/sim."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.fixtures import running
from thriftgate.cli import supervisor
from thriftgate.cli.ask import get
from thriftgate.cli.sockets import Sockets
from thriftgate.cli.supervisor import NotServing, Supervisor
from thriftgate.providers.transport import Timeouts
from thriftgate.settings import settings_of

PATIENCE_S = 60.0


async def test_bad_settings_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    good = f'[server]\nport = 0\nsupervise = true\n[ledger]\npath = "{tmp_path}/books.db"\n'
    path.write_text(good)
    with running("serve", "--config", str(path)) as process:
        for text, words in (
            (good + "[sever]\n", "sever: unknown setting"),
            (good.replace("books", "others"), "ledger.path is taken up by a restart only"),
        ):
            path.write_text(text)
            process.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(PATIENCE_S):
                while words not in process.stderr:
                    await asyncio.sleep(0.02)
        assert process.stderr.count('"worker up"') == 1
        assert (await asyncio.to_thread(get, process.url + "/readyz", timeouts=Timeouts(5, 5)))[0] == 200
        assert process.stop() == 0
    assert "settings not taken up" in process.stderr


def test_what_keeps_the_first_worker_from_starting_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THRIFTGATE_SERVER__SUPERVISE", "true")
    told = run("serve", "--port", "0", "--ledger", str(tmp_path))
    assert told.code == 1
    assert f"a worker did not start: cannot open the ledger {tmp_path}" in told.err


async def test_workers_that_die_at_once_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "DEATHS_MAX", 1)
    monkeypatch.setattr(supervisor, "EARLY_S", 600.0)
    document: dict[str, Any] = {"server": {"supervise": True, "port": 0}, "ledger": {"path": str(tmp_path / "books.db")}}
    watching = Supervisor(settings_of(document), document, Sockets("127.0.0.1", 0, 1), lambda: document)
    ready = asyncio.Event()
    serving = asyncio.ensure_future(watching.run(lambda _notes: ready.set()))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
            killed: set[int] = set()
            while not serving.done():
                for worker in watching._workers():
                    if worker.process.pid not in killed:
                        killed.add(worker.process.pid)
                        os.kill(worker.process.pid, signal.SIGKILL)
                await asyncio.sleep(0.02)
            with pytest.raises(NotServing, match="the workers die at their start, 2 times in a row"):
                await serving
        assert len(killed) == 2
    finally:
        watching._stop_now()
        await asyncio.gather(serving, return_exceptions=True)

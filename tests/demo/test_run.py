"""The demo as a whole: books that hold, and the same money every time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.conftest import HANDBOOK
from tests.demo.done import START_S, demo_done
from thriftgate.core.errors import ConfigError
from thriftgate.demo.clock import DemoClock
from thriftgate.demo.run import need_sdk, run_demo
from thriftgate.demo.stage import Stage, Workload
from thriftgate.demo.workloads import WORKLOADS


def test_the_books_hold() -> None:
    done = demo_done()
    assert done.proof.complaints == ()
    assert done.proof.booked_pico == done.proof.billed_pico == done.total.paid_pico
    assert sum(one.calls for one in done.outcomes) == done.total.calls == done.proof.calls
    assert [one.name for one in done.outcomes] == [workload.name for workload in WORKLOADS]


def test_every_workload_saves_and_says_by_which_lever() -> None:
    for one in demo_done().outcomes:
        assert one.saved_pico > 0
        assert sum(one.levers.values()) == one.saved_pico
        assert one.example


def test_pauses_are_simulated() -> None:
    assert demo_done().span_s > 3600


def _twice(stage: Stage) -> None:
    for _ in range(2):
        stage.client.messages.create(
            model="claude-opus-5-5",
            max_tokens=50,
            system=HANDBOOK,
            messages=[{"role": "user", "content": "Where is my parcel?"}],
        )
        stage.tick()
        stage.pause(1)


def test_another_workload_can_be_driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # must not matter: both ends are here
    ticks: list[None] = []
    workload = Workload("twice", "the same call twice", 2, _twice)
    path = str(tmp_path / "l.db")
    done = run_demo(path, workloads=(workload,), tick=lambda: ticks.append(None), clock=DemoClock(START_S))
    assert done.total.calls == len(ticks) == 2
    assert done.proof.complaints == ()
    assert done.outcomes == (replace(done.total, name="twice"),)


def test_a_failing_workload_leaves_nothing_running(tmp_path: Path) -> None:
    import threading

    def fail(stage: Stage) -> None:
        stage.client.messages.create(model="no-such-model", max_tokens=1, messages=[{"role": "user", "content": "x"}])

    from anthropic import BadRequestError

    with pytest.raises(BadRequestError, match="no price for model"):
        run_demo(str(tmp_path / "l.db"), workloads=(Workload("fails", "", 1, fail),))
    assert "demo-servers" not in {thread.name for thread in threading.enumerate()}


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.touch()
    with pytest.raises(ConfigError, match="exists already"):
        run_demo(str(path))


def test_the_sdk_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    need_sdk()
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(ConfigError, match=r"pip install thriftgate\[sdk\]"):
        need_sdk()

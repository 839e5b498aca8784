"""A function in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.quality.judges.worker import Failed, Worker

MODULE = """
import os, time
CALLS = []
def count():
    CALLS.append(1)
    print("I print to stdout")
    return len(CALLS)
def hang(): time.sleep(60)
def die(): os._exit(3)
def odd(): return object()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "mine"


def test_one_process_for_all_calls_until_it_is_closed(module: str) -> None:
    worker = Worker(f"{module}:count", 20.0)
    assert [worker.call(), worker.call()] == [1, 2]
    worker.close()
    worker.close()
    assert worker.call() == 1
    worker.close()


def test_one_that_hangs_is_ended_and_begun_anew(module: str) -> None:
    worker = Worker(f"{module}:hang", 0.05)
    for _ in range(2):
        with pytest.raises(Failed, match=r"took longer than 0\.05 s"):
            worker.call()
    worker.close()


@pytest.mark.parametrize(
    ("function", "words"),
    [("die", "ended its process"), ("odd", "unsupported"), ("nothing", "AttributeError"), ("count", "TypeError")],
)
def test_what_goes_wrong_is_told(module: str, function: str, words: str) -> None:
    worker = Worker(f"{module}:{function}", 20.0)
    with pytest.raises(Failed, match=words):
        worker.call(*(1 for _ in range(function == "count")))
    worker.close()

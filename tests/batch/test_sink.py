"""The results file: whatever ends the writing, taken up again it holds each booked line once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.batch.sink import Order, OutputError, Sink
from thriftgate.ledger.jobs import Job, JobState


def opened(folder: Path, order: Order = "input", *, spool: int = 0, out: int = 0, seq: int = 0) -> Sink:
    sink = Sink(folder / "made" / "out.jsonl", order)
    sink.open(spool_bytes=spool, out_bytes=out, out_seq=seq)
    return sink


def job(seq: int, state: JobState = "done", place: tuple[int, int] = (0, 0)) -> Job:
    return Job("run", seq, f"job {seq}", state, out_place=place[0], out_size=place[1])


def test_arrival_order_goes_straight_into_the_file(tmp_path: Path) -> None:
    sink = opened(tmp_path, "arrival")
    assert sink.add([b"two\n", b"one\n"]) == [(0, 4), (4, 4)]
    assert sink.emit([job(1)]) == 0
    assert (sink.spool_bytes, sink.out_bytes) == (8, 8)
    sink.finish()
    assert sink.out.read_bytes() == b"two\none\n"
    assert [path.name for path in sink.out.parent.iterdir()] == ["out.jsonl"]


def test_input_order_waits_for_what_comes_first(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    (two,) = sink.add([b"two\n"])
    assert sink.emit([job(1, "packed"), job(2, place=two)]) == 0
    one, three = sink.add([b"one\n", b"three\n"])
    assert sink.emit([job(1, place=one), job(2, "failed", two), job(3, "waiting", three)]) == 2
    assert sink.out_seq == 2
    sink.finish()
    assert sink.out.read_bytes() == b"one\ntwo\n"
    assert not list(sink.out.parent.glob("*.spool"))


@pytest.mark.parametrize("order", ["input", "arrival"])
def test_what_was_not_booked_is_cut_off(tmp_path: Path, order: Order) -> None:
    sink = opened(tmp_path, order)
    sink.add([b"booked\n"])
    booked = sink.spool_bytes
    sink.add([b"written, never booked\n", b"torn"])
    sink.close()
    again = opened(tmp_path, order, spool=booked, out=booked if order == "arrival" else 0)
    assert again.add([b"next\n"]) == [(7, 5)]
    again.close()
    path = again.out if order == "arrival" else again.out.with_name("out.jsonl.spool")
    assert path.read_bytes() == b"booked\nnext\n"


def test_what_was_emitted_and_not_booked_is_emitted_again(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    places = sink.add([b"one\n", b"two\n"])
    jobs = [job(seq, place=place) for seq, place in enumerate(places, 1)]
    assert sink.emit(jobs) == 2
    sink.close()
    again = opened(tmp_path, spool=8)
    assert again.emit(jobs) == 2
    again.finish()
    assert again.out.read_bytes() == b"one\ntwo\n"


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    sink = opened(tmp_path, "arrival")
    sink.add([b"booked\n"])
    sink.close()
    sink.out.write_bytes(b"boo")
    with pytest.raises(OutputError, match=r"shorter than it was left \(3 of 7 bytes\)"):
        opened(tmp_path, "arrival", spool=7, out=7)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "out.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*out\.jsonl"):
        opened(tmp_path)


FULL = """
import resource, signal, sys
from pathlib import Path
from typing import Any
from thriftgate.batch.sink import OutputError, Sink

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
sink = Sink(Path(sys.argv[1]), "arrival", sync=sys.argv[2] == "sync")
sink.open(spool_bytes=0, out_bytes=0, out_seq=0)
booked = 0
try:
    while True:
        sink.add([b"x" * 999 + b"\\n"] * 3)
        booked = sink.spool_bytes
except OutputError as error:
    assert "run the same command again" in str(error), error
    assert sink.spool_bytes == booked
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if sys.argv[3] == "go on":
    sink.add([b"y" * 999 + b"\\n"] * 3)
    booked = sink.spool_bytes
sink.close()
print(booked)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
@pytest.mark.parametrize("sync", ["sync", "lazy"])
@pytest.mark.parametrize("then", ["stop", "go on"])
def test_a_full_disk_loses_nothing_that_was_booked(tmp_path: Path, sync: str, then: str) -> None:
    out = tmp_path / "out.jsonl"
    said = subprocess.run([sys.executable, "-c", FULL, str(out), sync, then], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    booked = int(said.stdout)
    assert booked == (9_000 if then == "stop" else 12_000)
    again = Sink(out, "arrival")
    again.open(spool_bytes=booked, out_bytes=booked, out_seq=0)
    again.finish()
    data = out.read_bytes()
    assert len(data) == booked == out.stat().st_size
    assert {len(line) for line in data.splitlines()} == {999}


@settings(max_examples=60)
@given(order=st.permutations(range(1, 9)), ends=st.sets(st.integers(0, 7)))
def test_any_order_of_results_and_any_restarts_give_the_input_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], ends: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("sink")
    sink = opened(folder)
    booked: dict[str, Any] = {"spool": 0, "out": 0, "seq": 0}
    jobs = {seq: job(seq, "packed") for seq in range(1, 9)}
    for at, seq in enumerate(order):
        (place,) = sink.add([b"%d\n" % seq])
        booked = {"spool": sink.spool_bytes, "out": sink.out_bytes, "seq": sink.out_seq}
        jobs[seq] = job(seq, place=place)
        sink.emit([jobs[later] for later in range(sink.out_seq + 1, 9)])
        if at in ends:
            sink.add([b"never booked\n"])
            sink.close()
            sink = opened(folder, **booked)
    sink.emit([jobs[later] for later in range(sink.out_seq + 1, 9)])
    sink.finish()
    assert sink.out.read_bytes() == b"".join(b"%d\n" % seq for seq in range(1, 9))

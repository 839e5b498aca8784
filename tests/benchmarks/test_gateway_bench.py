"""The gateway benchmark measures with instruments that must be right themselves: mock, bodies, load generator, /proc."""

import asyncio
import os
import sys
import time
from pathlib import Path
from shutil import which

import msgspec
import pytest
from benchmarks.gateway import goals, measure, mock
from benchmarks.gateway.bodies import CASES, PACED, Case, build
from benchmarks.gateway.load import Endpoint, closed_loop, fault, open_loop
from benchmarks.gateway.mock import Size
from benchmarks.gateway.process import Child
from benchmarks.gateway.report import Summary, summarise, tables
from benchmarks.gateway.runner import Cpu, Effort, Figures, Latency, Session
from benchmarks.gateway.sampler import shares
from benchmarks.gateway.targets import Books, Nginx, Started, Target, UnavailableError

linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc")


@pytest.mark.parametrize("case", [*CASES, PACED], ids=lambda case: case.name)
def test_bodies_have_the_exact_size_and_are_valid_messages(case: Case) -> None:
    bodies = build(case, seed=7)
    assert {len(body) for body in bodies} == {case.size}
    assert len({body.head for body in bodies}) == len(bodies)
    assert bodies == build(case, seed=7)
    document = msgspec.json.decode(bodies[0].head + b"%016x" % 1 + bodies[0].tail)
    assert document["stream"] is case.stream
    assert document["messages"][-1]["role"] == "user"
    assert b"cache_control" not in bodies[0].head + bodies[0].tail


@pytest.mark.parametrize("size", [2_000, 200_000])
def test_answers_have_the_promised_size(size: int) -> None:
    assert len(mock.json_answer(Size(size, size // 2))) == mock.ANSWER_BYTES
    events = mock.sse_events(Size(size, size // 2))
    assert (len(events), sum(map(len, events))) == (mock.EVENTS, mock.STREAM_BYTES)


def test_what_is_shared_is_read() -> None:
    """Up to the last question; the rest was never seen."""
    body = b'{"messages":[{"role":"user","content":"%b"},{"role":"user","content":"?"}]}' % (b"x" * 4_000)
    size = mock.size_of(body)
    assert body[size.shared :].startswith(b'{"role":"user","content":"?"')
    told = mock.usage(size, 1)
    assert told["cache_read_input_tokens"] == size.shared // 4
    assert sum(int(str(told[name])) for name in told if name.endswith("input_tokens")) == len(body) // 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_closed_loop_counts_every_call_once(case: Case) -> None:
    server, port, stats = await mock.start()
    async with server:
        result = await closed_loop(Endpoint(port), case, build(case, 1), first=0, seconds=20.0, limit=200, connections=8)
        assert (result.ok, result.failed) == (200, 0)
        assert (stats.messages, stats.streams) == (200, 200 if case.stream else 0)
        assert len(result.samples) == 200


async def test_open_loop_sees_paced_streams_as_the_mock_sends_them() -> None:
    server, port, _ = await mock.start()
    async with server:
        result = await open_loop(Endpoint(port), PACED, build(PACED, 1), first=0, rate=100.0, seconds=0.2, connections=8)
    assert (result.ok, result.failed, result.events) == (20, 0, 20 * mock.EVENTS)
    assert min(sample.first_s for sample in result.samples) >= mock.FIRST_BYTE_S - 0.005
    whole = mock.FIRST_BYTE_S + (mock.EVENTS - 1) * mock.EVENT_GAP_S
    assert min(sample.total_s for sample in result.samples) >= whole - 0.01


async def test_a_wrong_answer_is_an_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await closed_loop(
            Endpoint(port), CASES[0], build(CASES[0], 1), first=0, seconds=5.0, limit=3, connections=1
        )
    assert result.ok == 0
    assert result.failed == 3
    assert any("status 500" in error for error in result.errors)


def test_faults_are_told_apart() -> None:
    plain, stream = CASES[0], CASES[1]
    endpoint = Endpoint(1)
    answer = mock.json_answer(Size(2_000, 1_000))
    events = mock.sse_events(Size(2_000, 1_000))
    assert fault(endpoint, plain, 200, answer) is None
    assert fault(endpoint, stream, 200, b"".join(events)) is None
    assert "changed" in str(fault(endpoint, plain, 200, answer.replace(b"{", b"{ ")))
    assert "incomplete" in str(fault(endpoint, stream, 200, b"".join(events[:-1])))
    assert fault(Endpoint(1, exact=False), plain, 200, answer.replace(b"{", b"{ ")) is None


@linux
def test_cpu_memory_and_the_end_of_a_process_tree(tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    child = Child([sys.executable, "-c", code], tmp_path / "log", core=measure.cores()[0])
    try:
        for _ in range(500):
            if len(measure.tree(child.pid)) == 2 and measure.cpu_us(child.pid) > 100_000:
                break
            time.sleep(0.01)
        pids = measure.tree(child.pid)
        assert len(pids) == 2
        assert measure.cpu_us(child.pid) > 0
        assert measure.pss_mb(child.pid) > 1
    finally:
        child.stop()
    assert not any(measure.runs(pid) for pid in pids)


def test_goals_are_judged_on_medians() -> None:
    slow, fast = Cpu(9_000.0, 10, 100.0), [Cpu(100.0, 10, 1.0), Cpu(5_000.0, 10, 1.0), Cpu(110.0, 10, 1.0)]
    direct, through = Latency(0.2, 0.3, 0.2, 0.3, fifo=False), Latency(1.0, 9.0, 1.0, 9.0, fifo=False)
    names = [case.name for case in CASES]
    ours = Figures(cpu=dict.fromkeys(names, fast), latency={name: [(through, direct)] for name in names}, calls=5)
    summaries = {"thriftgate": summarise(ours), "litellm": summarise(Figures(cpu={names[0]: [slow]}))}
    judged = {goal.name: goal for goal in goals.judge(summaries, Books(entries=5, unresolved=1, reported=5), errors=0)}
    assert judged["CPU per 2 kB call, us"].value == 110.0
    assert judged["requests per core / LiteLLM's"].passed is True
    assert judged["requests per core / Portkey's"].passed is None
    assert judged["added p50 at 2 kB (json and sse, the worse), ms"].passed is True
    assert judged["added p99 at 2 kB (json and sse, the worse), ms"].passed is False
    assert judged["calls not booked exactly once, holds not resolved"].passed is False
    assert all(goal.passed is not True or goal.limit == 0 for goal in goals.judge({"x": Summary()}, None, 0))


class _CalmNginx(Nginx):
    fifo = False  # a test does not change its own scheduling class


@linux
@pytest.mark.skipif(which("nginx") is None, reason="needs nginx")
async def test_a_whole_run_in_small_and_nothing_left_behind(tmp_path: Path) -> None:
    effort = Effort(
        rounds=1,
        starts=1,
        idle_s=0.0,
        warm_s=0.05,
        cpu_s=0.1,
        settle_s=0.0,
        latency_s=0.1,
        latency_rate=50.0,
        streams_s=0.1,
    )
    targets: list[Target] = [_CalmNginx(tmp_path, tmp_path), _Missing(tmp_path, tmp_path)]
    cores, before = os.sched_getaffinity(0), measure.tree(os.getpid())  # other tests may have left a helper process
    async with Session(targets, tmp_path, seed=1, effort=effort) as session:
        outcome = await session.run()
    assert os.sched_getaffinity(0) == cores
    assert set(measure.tree(os.getpid())) <= set(before)
    assert outcome.skipped == {"missing": "not made yet"}
    summary = summarise(outcome.figures["nginx"])
    assert summary.errors == {}
    assert summary.calls == summary.upstream_calls > 100
    assert set(summary.cpu_us) == set(summary.latency) == {case.name for case in CASES}
    assert summary.streams_incomplete == 0
    assert "SKIPPED: not made yet" in tables({"nginx": summary}, outcome)


class _Missing(Target):
    name = "missing"

    def prepare(self) -> None:
        raise UnavailableError("not made yet")

    def version(self) -> str:
        raise AssertionError("asked for the version of what is not there")

    def start(self, upstream: int, core: int) -> Started:
        raise AssertionError(f"started in front of {upstream} on core {core}")


def test_samples_are_shared_out_by_room_and_function() -> None:
    raw = (
        "serve (thriftgate/cli/serve.py:3);plan (thriftgate/core/planner.py:9);loads (msgspec/json.py:1) 30\n"
        "serve (thriftgate/cli/serve.py:3);send (uvicorn/server.py:7) 10\n"
        "epoll_pwait (libc.so.6) 60\n"
        "drain (thriftgate/ledger/sql.py:8);get (queue.c:2);pthread_cond_timedwait (libc.so.6);0x7f (libc.so.6) 500\n"
    )
    text = shares(raw)
    assert "100 samples" in text
    assert " 30.0%  core\n" in text
    assert " 10.0%  the HTTP server and its loop\n" in text
    assert " 60.0%  threads of others" in text
    assert " 40.0%  serve (thriftgate/cli/serve.py)" in text
    assert " 30.0%  loads (msgspec/json.py)" in text

"""`thriftgate serve`, as a process."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fixtures import HEADERS, assert_sound, books, message, running, serving, until
from thriftgate.cli.ask import get
from thriftgate.providers.transport import Timeouts
from thriftgate.simulator import Latency, Simulator, SimulatorConfig


async def test_a_call_through_it_is_in_the_report(run: Run, tmp_path: Path) -> None:
    import aiohttp

    ledger = tmp_path / "ledger.db"
    with (
        running("simulate", "--port", "0") as provider,
        running("serve", "--port", "0", "--upstream", provider.url, "--ledger", str(ledger)) as gateway,
    ):
        assert f"-> {provider.url}" in gateway.said[0]
        async with (
            aiohttp.ClientSession() as client,
            client.post(gateway.url + "/v1/messages", json=message(), headers=HEADERS) as reply,
        ):
            assert reply.status == 200
            call = reply.headers["thriftgate-request-id"]
        assert gateway.stop() in (0, -15)
        assert f"export ANTHROPIC_BASE_URL={gateway.url}" in gateway.stderr
    assert ledger.exists()
    assert call.startswith("tg_")


def test_health() -> None:
    with running("serve", "--port", "0", "--upstream", "http://127.0.0.1:9", "--ledger", ":memory:") as gateway:
        for path in ("/healthz", "/readyz"):
            assert get(gateway.url + path, timeouts=Timeouts(5, 5))[0] == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workers", "2"), "set redis.url, or server.unshared"),
        (("--workers", "2", "--ledger", ":memory:"), "ledger.path is :memory:"),
        (("--port", "no"), "no"),
        (("--port", "70000"), "server.port"),
        (("--config", "none.toml"), "none.toml"),
        (("--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1"),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("serve", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


async def test_its_end_is_told_before_it_comes_and_what_is_cut_is_told_why(tmp_path: Path) -> None:
    """In the dialect of each client; and it is booked as far as it came."""
    import aiohttp

    environ = {"THRIFTGATE_SERVER__DRAIN_WAIT_S": "1", "THRIFTGATE_SERVER__SHUTDOWN_S": "0.2"}
    ledger = tmp_path / "ledger.db"
    slow = SimulatorConfig(seed=1, tokenizer="estimate", latency=Latency(per_output_token_s=0.02))
    with (
        serving(Simulator(slow)) as provider,
        running("serve", "--port", "0", "--upstream", provider, "--ledger", str(ledger), environ=environ) as gateway,
    ):
        async with aiohttp.ClientSession() as client:
            body = message("[[sim: out=900]]", stream=True, max_tokens=1_000)
            paths = ("/v1/messages", "/v1/chat/completions")
            streams = [await client.post(gateway.url + path, json=body, headers=HEADERS) for path in paths]
            begun = [await one.content.readany() for one in streams]
            gateway.process.send_signal(signal.SIGTERM)

            async def draining() -> bool:
                async with client.get(gateway.url + "/readyz") as reply:
                    return reply.status == 503

            await until(draining)
            async with client.post(gateway.url + "/v1/messages", json=message("[[sim: out=2]]"), headers=HEADERS) as reply:
                assert (reply.status, reply.headers["connection"]) == (200, "close")
            told = [first + await one.read() for first, one in zip(begun, streams, strict=True)]
        last = told[0].rstrip().rpartition(b"\n\n")[2]
        assert last.startswith(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"')
        assert b"thriftgate was stopped before this answer was complete" in last
        assert b'data: {"error":' in told[1]
        assert b"[DONE]" not in told[1]
        gateway.stop()
    async with books(ledger) as kept:
        entries = await kept.entries()
        await assert_sound(kept)
    assert sorted((one.outcome, one.usage_source) for one in entries) == [
        ("answered", "exact"),
        ("left", "estimated"),
        ("left", "estimated"),
    ]

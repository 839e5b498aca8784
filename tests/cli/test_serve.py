"""`thriftgate serve`, as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fixtures import HEADERS, message, running
from thriftgate.cli.ask import get
from thriftgate.providers.transport import Timeouts


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
        (("--workers", "2"), "PostgreSQL"),
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

"""`thriftgate alerts test`: a real message to real receivers."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run
from tests.fixtures import serving
from thriftgate.gateway.asgi import Receive, Scope, Send


class Hooks:
    """A web server that takes what comes to /good and nothing else."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.bodies.append((await receive())["body"])
        status = 200 if scope["path"] == "/good" else 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def settings(tmp_path: Path, url: str) -> str:
    path = tmp_path / "thriftgate.toml"
    path.write_text(
        f"""
[alerts]
allow_hosts = ["127.0.0.1"]
[[alerts.sinks]]
name = "good"
kind = "slack"
url = "{url}/good"
[[alerts.sinks]]
name = "bad"
kind = "slack"
url = "{url}/hush"
"""
    )
    return str(path)


def test_each_sink_is_tried(run: Run, tmp_path: Path) -> None:
    hooks = Hooks()
    with serving(hooks) as url:
        config = settings(tmp_path, url)
        done = run("alerts", "test", "--json", "--config", config)
        one = run("alerts", "test", "good", "--config", config)
    assert done.code == 1
    assert done.json() == {
        "ok": False,
        "sinks": [
            {"sink": "good", "ok": True, "error": ""},
            {"sink": "bad", "ok": False, "error": "answered with status 500"},
        ],
    }
    assert "hush" not in done.out + done.err
    assert (one.code, one.out) == (0, "good: taken\n")
    assert len(hooks.bodies) == 3
    assert b"a test of thriftgate" in hooks.bodies[0]


def test_a_sink_that_there_is_not(run: Run, tmp_path: Path) -> None:
    done = run("alerts", "test", "none", "--config", settings(tmp_path, "http://127.0.0.1:9"))
    assert done.code == 2
    assert "the settings have: good, bad" in done.err


def test_without_sinks_the_log_is_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "thriftgate.toml"
    path.write_text("[alerts]\nsinks = []\n")
    done = run("alerts", "test", "--config", str(path))
    assert done.out == "log: taken\n"
    assert "a test of thriftgate's alerts" in done.err

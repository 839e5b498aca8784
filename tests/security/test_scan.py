"""Real traffic through everything that could tell a secret; then all that it has left behind is searched for each of them:
the log, the ledger and its journal, kept answers, every page and document, the metrics.

Secrets are the gateway's keys and those of the provider, the targets, the webhooks and the sinks; and what is private is no
less so: prompts, answers, end users' passwords within them (law 10).
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import client, message, serving, settings_of, simulator, until
from tests.gateway.keyed import Stage, Upstream
from tests.scripted import answering, upstream
from tests.security.test_secrets import everything, parts_of
from thriftgate.dashboard.app import Dashboard
from thriftgate.dashboard.beside import Within, together
from thriftgate.dashboard.gates import AtTheGateway
from thriftgate.dashboard.pages import PAGES
from thriftgate.gateway.admin.routes import ROOT, ROUTES
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.settings import Settings
from thriftgate.settings.serving import PolicySettings
from thriftgate.simulator import SimClock
from thriftgate.simulator.config import BatchRules

OWN, SPARE = "sk-ant-api03-own-never-told-0815", "sk-ant-api03-spare-never-told-1234"
TARGET, SINK, SIGNS = "sk-ant-api03-target-never-told-77", "sink-signature-never-told-88", "webhook-signature-never-told-99"
HOOK_PATH = "hook-path-never-told-42"
PROMPT, ANSWERED = "my password is correct-horse-battery", "never-kept-in-clear-4711"
WAITING = "a question that can wait 1717"  # kept with the books until it is answered, and nowhere else
HIDDEN = (OWN, SPARE, TARGET, SINK, SIGNS, HOOK_PATH, PROMPT, ANSWERED)
PRIVATE = ("correct-horse", ANSWERED)  # may stand in an answer to whoever asked, nowhere else


class Telling(Upstream):
    """The simulator; but where a prompt says so, a provider that repeats the key and the prompt in its error, and in its
    headers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = simulator(clock=SimClock.real(), batches=BatchRules(duration_s=(0.05, 0.1)))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        taken = await receive()
        key = dict(scope["headers"]).get(b"x-api-key", b"")
        for word, status in ((b"REPEAT400", 400), (b"REPEAT500", 500)):
            if word in taken.get("body", b""):
                words = f"no such thing for {key.decode()}: {PROMPT}"
                body = msgspec.json.encode({"type": "error", "error": {"type": "invalid_request_error", "message": words}})
                headers = [(b"content-type", b"application/json"), (b"x-said", key)]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        given = [taken]

        async def again() -> Any:
            return given.pop() if given else await receive()

        await super().__call__(scope, again, send)


def tables(folder: Path, hook: str, sink: str, provider: str) -> Settings:
    """Everything that holds a secret, and everything that tells something."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    closed.close()
    return settings_of(
        upstream={"url": provider, "api_key": OWN, "keys": ({"name": "spare", "key": SPARE},), "retry": "never"},
        targets=({"name": "aside", "provider": "anthropic", "url": nobody, "key": TARGET, "order": 1},),
        ledger={"path": str(folder / "books.db")},
        access={"recheck_s": 0.0},
        policy={"levers": (*PolicySettings().levers, "reuse.exact")},
        reuse={"path": str(folder / "answers.db"), "rules": ({"share": "key"},)},
        batch={"webhooks": (hook,), "webhook_secret": SIGNS, "window_s": 0.1},
        alerts={
            "allow_hosts": ("127.0.0.1",), "every_s": 1.0, "gather_s": 0.0,
            "rules": ({"name": "any", "of": "calls", "above": 0, "over": "1h"},),
            "sinks": ({"name": "hook", "kind": "webhook", "url": sink, "secret": SINK},
                      {"name": "gone", "kind": "slack", "url": f"{nobody}/{HOOK_PATH}"}),
        },
        telemetry={"log_calls": True},
    )  # fmt: skip


@contextlib.asynccontextmanager
async def whole(folder: Path) -> AsyncIterator[tuple[Stage, Any]]:
    """The gateway and its dashboard; and whoever is told of answers and alerts."""
    provider = Telling()
    async with upstream(answering(b"{}")) as told:
        with serving(provider) as url:
            settings = tables(folder, f"{told.url}/jobs/of-ours", f"{told.url}/alerts/{HOOK_PATH}", url)
            gateway = Gateway(settings)
            within = Within(settings, lambda: gateway.rooms)
            dashboard = Dashboard(within.sources, AtTheGateway(lambda: gateway.rooms))
            with serving(together(gateway, dashboard, within), Entrance(settings.server)) as served:
                async with client() as session:
                    yield Stage(served, settings.ledger.path, provider, session), told


async def traffic(stage: Stage, told: Any) -> list[str]:
    """Calls of every kind, well and badly ended; the secrets that were made meanwhile."""
    made = await everything(stage)
    key = made[1]
    for text in (
        PROMPT,
        f"{PROMPT} again",
        f"REPEAT400 {PROMPT}",
        f"REPEAT500 {PROMPT}",
        f"{PROMPT} [[sim: say={ANSWERED}]]",
    ):
        for _ in range(2):  # the second time, where it may be, from what was kept
            await stage.call(message(text), x_api_key=key)
            await stage.call(message(text, stream=True), x_api_key=key)
    await stage.call(message(PROMPT), "/v1/messages/count_tokens", x_api_key=key)
    body = {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": PROMPT}]}
    for path in ("/v1/chat/completions", "/v1/responses"):
        await stage.call(
            body if "chat" in path else {"model": body["model"], "input": PROMPT}, path, authorization=f"Bearer {key}"
        )
    hook = f"{told.url}/jobs/of-ours"
    later = await stage.call(message(WAITING), x_api_key=key, thriftgate_deadline="6h", thriftgate_webhook=hook)
    assert later.status == 202, later
    await stage.call(message(WAITING), x_api_key=key, thriftgate_deadline="6h", thriftgate_webhook=f"{hook}/../x")

    async def both_told() -> bool:
        return {one.line.split("/")[1] for one in told.requests} == {"jobs", "alerts"}

    await until(both_told)
    return made


async def pages(stage: Stage, boss: str) -> dict[str, bytes]:
    """Every document and page that can be asked for."""
    paths = ["/", "/healthz", "/readyz", "/thriftgate/metrics", "/v1/models"]
    paths += [ROOT + re.sub(r"\{\w+\}", "nobody", route.path) for route in ROUTES if route.method == "GET"]
    entry = (await stage.ask("GET", "/thriftgate/api/v1/live", x_api_key=boss)).document
    calls = sorted(set(re.findall(r"tg_[0-9a-f]{20,}", str(entry))))
    assert calls
    slugs = ["", *(slug for slug in PAGES if slug != "call"), *(f"call/{one}" for one in calls)]
    paths += [f"{base}/{slug}".rstrip("/") for base in ("/thriftgate/dashboard", "/thriftgate/api/v1") for slug in slugs]
    found: dict[str, bytes] = {}
    for path in paths:
        got = await stage.ask("GET", path, x_api_key=boss)
        found[path] = got.body + str(got.headers).encode()
        assert got.status < 500, (path, got)
    return found


def looked_for(made: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each secret by its beginning, and whatever would give it away."""
    for secret in (*made, *HIDDEN):
        for part in parts_of(secret) if secret not in PRIVATE else [secret.encode()]:
            yield secret[:12], part
    for text in PRIVATE:
        yield text, text.encode()


async def saw(stage: Stage, told: Any, made: list[str]) -> None:
    """A search that finds nothing may be blind: each secret did pass, and stood where it had to."""
    keys = {headers.get("x-api-key", "") for headers in stage.upstream.seen}
    assert keys & {OWN, SPARE}
    assert not keys & set(made)
    said = await stage.call(message(f"{PROMPT} REPEAT400"), x_api_key=made[1])
    assert PROMPT.encode() in said.body  # the provider's own words go to whoever asked, byte for byte
    assert any(HOOK_PATH in one.line for one in told.requests)


async def test_nothing_that_is_left_behind_tells_a_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with whole(tmp_path) as (stage, told):
        made = await traffic(stage, told)
        await saw(stage, told, made)
        shown = await pages(stage, made[0])
        living = {f"{one.name}, living": one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    left = {one.name: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    log = "".join(capfd.readouterr()).encode()
    master = left.pop("books.db-master-key").strip()
    living.pop("books.db-master-key, living")
    everywhere = shown | living | left | {"log": log, "webhooks": b"".join(one.body for one in told.requests)}
    # All of it was there to be searched.
    assert {"books.db, living", "answers.db, living", "books.db", "answers.db"} <= set(everywhere)
    assert any(name.endswith("-wal, living") and data for name, data in living.items())
    assert len(shown) > 40
    for words in (b"key refused", b"login refused", b'"event": "call"', b"thriftgate_calls"):
        assert words in log + shown["/thriftgate/metrics"], words
    for name, data in everywhere.items():
        assert name.startswith("books.db") or WAITING.encode() not in data, name
        assert master not in data, name
        for secret, part in looked_for(made):
            assert part not in data, (name, secret, data[max(0, data.find(part) - 200) : data.find(part) + 100])

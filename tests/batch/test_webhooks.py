"""Webhooks, to real receivers: signed, tried again, never led astray, and nothing private in them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import socket
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from tests.batch.queueing import CALLER, QueueStage, ask, queueing
from tests.fixtures import until
from tests.scripted import Received, Script, Upstream, raw_answer, upstream
from thriftgate.batch import webhooks
from thriftgate.batch.webhooks import WAITS_S, check_allowed, receivers_of, secret_of, signature
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.ledger.jobs import QUEUE, Body, Job
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

SECRET = b"\x01\x02 a secret of 24 bytes \xff"
AT_ONCE = BatchRules(duration_s=(1.0, 1.0))


def saying(*statuses: int, headers: tuple[str, ...] = ()) -> Script:
    """Answers with these statuses, one after the other, and then with 200."""
    left = list(statuses)

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(b"{}", status=left.pop(0) if left else 200, headers=headers))

    return script


class Receiver:
    """Notes when it was called, by the stage's clock."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.clock: Callable[[], float] = lambda: 0.0
        self.at_s: list[float] = []

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.at_s.append(self.clock())
        await self._script(request, writer)


@contextlib.asynccontextmanager
async def told(
    path: Path, script: Script, faults: Faults | None = None
) -> AsyncIterator[tuple[QueueStage, Upstream, Receiver]]:
    """A queue that may tell a receiver, which follows a script."""
    receiver = Receiver(script)
    async with upstream(receiver) as seen:
        members = {"webhooks": (f"{seen.url}/hooks",), "secret": SECRET}
        async with queueing(path, rules=AT_ONCE, members=members, faults=faults or Faults()) as stage:
            receiver.clock = stage.clock.now_s
            yield stage, seen, receiver


async def body_of(stage: QueueStage, job: Job) -> Body:
    body = await stage.queue.book.body(QUEUE, job.seq)
    assert body is not None
    return body


async def through(stage: QueueStage, job: Job) -> Body:
    """The row of a call whose receiver has taken the word, or was given up."""

    async def done() -> bool:
        body = await body_of(stage, job)
        return body.told > 0 and body.tell_us == 0

    await until(done)
    return await body_of(stage, job)


def verified(request: Received, secret: bytes) -> dict[str, str]:
    """The payload, checked as the specification tells receivers to."""
    name, at = request.header("webhook-id"), request.header("webhook-timestamp")
    version, _, given = request.header("webhook-signature").partition(",")
    assert version == "v1"
    expected = hmac.new(secret, f"{name}.{at}.".encode() + request.body, sha256).digest()
    assert hmac.compare_digest(base64.b64decode(given), expected)
    payload = msgspec.json.decode(request.body)
    assert set(payload) == {"type", "timestamp", "data"}
    data: dict[str, str] = payload["data"]
    return data


async def test_a_receiver_can_check_who_tells_it(tmp_path: Path) -> None:
    async with told(tmp_path, saying()) as (stage, seen, _):
        job = await stage.take(ask(), webhook=f"{seen.url}/hooks/7?x=1")
        await through(stage, job)
        (request,) = seen.requests
        assert request.line == "POST /hooks/7?x=1 HTTP/1.1"
        assert verified(request, SECRET) == {
            "id": job.name,
            "status": "answered",
            "url": f"/thriftgate/jobs/{job.name}",
        }
        assert request.header("content-type") == "application/json"
        with pytest.raises(AssertionError):
            verified(request, b"another secret")


async def test_nothing_private_is_told(tmp_path: Path) -> None:
    async with told(tmp_path, saying()) as (stage, seen, _):
        secret = [{"role": "user", "content": "the combination [[sim: say=4711]]"}]
        job = await stage.take(ask(messages=secret), webhook=f"{seen.url}/hooks")
        await through(stage, job)
        (request,) = seen.requests
        said = repr(request)
        assert not [word for word in ("combination", "4711", CALLER, stage.engine.key_of(CALLER)) if word in said]


async def test_a_job_that_failed_is_told_as_such(tmp_path: Path) -> None:
    async with told(tmp_path, saying()) as (stage, seen, _):
        job = await stage.take(ask(temperature=7.5), webhook=f"{seen.url}/hooks")
        await through(stage, job)
        assert verified(seen.requests[0], SECRET)["status"] == "failed"


async def test_a_receiver_in_trouble_is_told_again_with_growing_waits(tmp_path: Path) -> None:
    async with told(tmp_path, saying(500, 503, 429, 404)) as (stage, seen, receiver):
        job = await stage.take(ask(), webhook=f"{seen.url}/hooks")
        body = await through(stage, job)
        waits = [later - sooner for sooner, later in zip(receiver.at_s, receiver.at_s[1:], strict=False)]
        assert waits == pytest.approx(WAITS_S[:4], abs=1.0)
        assert body.told == 5
        assert len({request.header("webhook-id") for request in seen.requests}) == 1
        assert len({request.header("webhook-timestamp") for request in seen.requests}) == 5
        for request in seen.requests:
            verified(request, SECRET)


async def test_one_who_never_takes_it_is_given_up(tmp_path: Path) -> None:
    async with told(tmp_path, saying(*[500] * 20)) as (stage, seen, _):
        job = await stage.take(ask(), webhook=f"{seen.url}/hooks")
        body = await through(stage, job)
        assert body.told == len(seen.requests) == len(WAITS_S) + 1
        await stage.idle()
        slept = len(stage.clock.slept)
        await asyncio.sleep(0.05)
        assert (len(seen.requests), len(stage.clock.slept)) == (len(WAITS_S) + 1, slept)


async def test_one_whom_nobody_reaches_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with queueing(tmp_path, rules=AT_ONCE, members={"webhooks": (url,), "secret": SECRET}) as stage:
            began_s = stage.clock.now_s()
            job = await stage.take(ask(), webhook=url)
            assert (await through(stage, job)).told == len(WAITS_S) + 1
            assert stage.clock.now_s() - began_s >= sum(WAITS_S)


async def test_what_was_not_taken_is_told_in_the_next_life(tmp_path: Path) -> None:
    async with told(tmp_path, saying(500)) as (stage, seen, _):
        stage.clock.stand()
        job = await stage.take(ask(), webhook=f"{seen.url}/hooks")
        for _ in range(20):  # as far as its first try
            stage.clock.advance(5.0)
            await asyncio.sleep(0.01)
            if seen.requests:
                break

        async def noted() -> bool:
            return (await body_of(stage, job)).told == 1

        await until(noted)
        await stage.kill()
        await stage.open()
        stage.clock.flow()
        assert (await through(stage, job)).told == len(seen.requests) == 2


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with upstream(saying()) as elsewhere:
        script = saying(*[307] * 20, headers=(f"location: {elsewhere.url}/hooks",))
        async with told(tmp_path, script) as (stage, seen, _):
            job = await stage.take(ask(), webhook=f"{seen.url}/hooks")
            body = await through(stage, job)
            assert body.told == len(seen.requests) == len(WAITS_S) + 1
            assert not elsewhere.requests


async def test_a_slow_receiver_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither calls nor, for longer than its try takes, other receivers."""
    monkeypatch.setattr(webhooks, "_WHOLE_S", 0.4)

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        if "/slow" not in request.line:
            writer.write(raw_answer(b"{}"))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                writer.write(b"x-more: y\r\n")
                await asyncio.sleep(0.05)

    async with told(tmp_path, script) as (stage, seen, _):
        slow = await stage.take(ask(1), webhook=f"{seen.url}/hooks/slow")
        await stage.answer(slow)
        await until(lambda: _true(bool(seen.requests)))
        for number in range(2, 5):
            await stage.answer(await stage.take(ask(number)))
        assert (await body_of(stage, slow)).told == 0, "still at it"
        quick = await stage.take(ask(9), webhook=f"{seen.url}/hooks/quick")
        assert (await through(stage, quick)).told == 1
        assert (await body_of(stage, slow)).told >= 1


async def test_a_name_that_leads_into_the_own_network_is_not_followed(tmp_path: Path) -> None:
    """Whoever owns an allowed name decides where it leads: here, to a service of ours."""
    async with upstream(saying()) as inside:
        url = inside.url.replace("127.0.0.1", "localhost")
        members = {"webhooks": (url,), "secret": SECRET}
        async with queueing(tmp_path, rules=AT_ONCE, members=members) as stage:
            job = await stage.take(ask(), webhook=url)
            assert (await through(stage, job)).told == len(WAITS_S) + 1
        assert inside.connections == 0


async def test_a_name_that_is_listed_may_lead_there(tmp_path: Path) -> None:
    async with upstream(saying()) as inside:
        url = inside.url.replace("127.0.0.1", "localhost")
        members = {"webhooks": (url,), "secret": SECRET, "allow_hosts": ("localhost",)}
        async with queueing(tmp_path, rules=AT_ONCE, members=members) as stage:
            job = await stage.take(ask(), webhook=url)
            assert (await through(stage, job)).told == 1
        assert len(inside.requests) == 1


async def test_addresses_that_are_written_down_are_allowed_and_names_are_not() -> None:
    near = receivers_of(("http://127.0.0.1:9/x", "http://inner.example/x"), ("listed.example",))
    near.check("http://127.0.0.1:9/x")
    near.check("http://listed.example/x")
    for url in ("http://127.0.0.2/x", "http://inner.example/x"):
        with pytest.raises(InputError):
            near.check(url)
    with pytest.raises(InputError):
        receivers_of(("http://169.254.169.254/",), ()).check("http://169.254.169.254/")


async def _true(value: bool) -> bool:
    return value


def test_a_signature_as_the_specification_shows_one() -> None:
    """standardwebhooks.com, 2026-10: the example of its reference implementations."""
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    payload = b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, payload)
    assert signed == b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets() -> None:
    assert secret_of("plain words") == b"plain words"
    assert secret_of("") == b""
    with pytest.raises(ConfigError, match="what stands behind whsec_ is no base64"):
        secret_of("whsec_not base64!")


ALLOWED = ("https://good.example/hooks", "http://127.0.0.1:9000")


@pytest.mark.parametrize(
    "url", ["https://good.example/hooks", "https://GOOD.example/hooks/1?a=b", "http://127.0.0.1:9000/x"]
)
def test_urls_that_are_allowed(url: str) -> None:
    check_allowed(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example.evil.com/hooks", "https://good.example/hooksx", "https://good.example",
        "http://good.example/hooks",
        "https://good.example:8443/hooks", "http://127.0.0.1:90001/x", "http://127.0.0.1:9000@evil.com/", "nonsense",
        "https://good.example/hooks/../admin", "http://localhost:9000/",
    ],
)  # fmt: skip
def test_urls_that_are_not(url: str) -> None:
    with pytest.raises(InputError, match="header thriftgate-webhook: "):
        check_allowed(url, ALLOWED)
    with pytest.raises(InputError):
        check_allowed(url, ())

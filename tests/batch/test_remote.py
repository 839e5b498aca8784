"""Calls of the batch endpoints: what was surely not done is told apart from what nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.batch.stage import BATCHES, KEY, App, Front, changed, drops, error, foreign_batch, params, says
from tests.fixtures import simulator
from thriftgate.batch.remote import WAIT_S, Remote, ResultsGone, ResultsRefused
from thriftgate.core.errors import Unreachable, UpstreamError
from thriftgate.providers.anthropic import Anthropic
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.simulator import SimClock
from thriftgate.simulator.batches import KEPT_S

BODY = msgspec.json.encode({"requests": [{"custom_id": "a", "params": params(1)}]})


class Place:
    """A provider, and the worker's way to it."""

    def __init__(self) -> None:
        self.simulator = simulator()
        self.front = Front(self.simulator)
        self.transport = AsgiTransport(self.front)
        self.remote = self.through(self.transport)

    def through(self, transport: Any) -> Remote:
        headers = ((b"anthropic-version", b"2023-06-01"), (b"x-api-key", KEY.encode()))
        return Remote(Anthropic(Endpoint(url="http://sim")), transport, headers)

    def scripted(self, app: App) -> None:
        self.front.script = lambda _method, _path: app

    def advance(self, seconds: float) -> None:
        clock = self.simulator.config.clock
        assert isinstance(clock, SimClock)
        clock.advance(seconds)

    async def lines(self, batch_id: str) -> list[bytes]:
        return [line async for lines in self.remote.results(batch_id) for line in lines]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    yield made
    await made.transport.close()


async def test_a_batch_is_created_watched_canceled_and_read(place: Place) -> None:
    said = await place.remote.create(BODY)
    assert said.kind == "ok"
    assert said.batch is not None
    name = said.batch.id
    assert (await place.remote.retrieve(name)).batch == said.batch
    canceled = await place.remote.cancel(name)
    assert canceled.batch is not None
    assert canceled.batch.processing_status == "canceling"
    assert (await place.remote.cancel(name)).kind == "ok"
    place.advance(10)
    assert (await place.remote.cancel(name)).kind == "refused"
    (line,) = await place.lines(name)
    assert b'"canceled"' in line


# status -> what it means for a POST, and for anything else
KINDS = {
    400: ("refused", "refused"),
    401: ("refused", "refused"),
    403: ("refused", "refused"),
    404: ("missing", "missing"),
    408: ("unsure", "later"),
    409: ("unsure", "later"),
    413: ("refused", "refused"),
    429: ("later", "later"),
    500: ("unsure", "later"),
    504: ("unsure", "later"),
    529: ("unsure", "later"),
}


@pytest.mark.parametrize("status", KINDS)
async def test_what_an_error_means(place: Place, status: int) -> None:
    place.scripted(says(status, error("some_error", "no")))
    created, other = await place.remote.create(BODY), await place.remote.retrieve("msgbatch_1")
    assert (created.kind, other.kind) == KINDS[status]
    assert created.status == status
    assert created.why == f"{status} some_error: no"
    listed, said = await place.remote.since(0)
    assert (listed, said.kind) == ([], KINDS[status][1])


@pytest.mark.parametrize("body", [b"", b"garbage", b"{}", b"[1]", b'{"id": 5}', b"\xff\xfe"])
async def test_a_success_without_a_batch_may_have_created_one(place: Place, body: bytes) -> None:
    place.scripted(says(200, body))
    assert (await place.remote.create(BODY)).kind == "unsure"
    assert (await place.remote.retrieve("msgbatch_1")).kind == "later"
    if body != b"{}":
        assert (await place.remote.since(0))[1].kind == "later"


async def test_a_lost_answer_may_have_created_a_batch(place: Place) -> None:
    place.scripted(drops)
    assert (await place.remote.create(BODY)).kind == "unsure"
    assert (await place.remote.retrieve("msgbatch_1")).kind == "later"


async def test_what_never_left_was_surely_not_created(place: Place) -> None:
    class Nowhere:
        async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
            raise Unreachable("connection refused")

    said = await place.through(Nowhere()).create(BODY)
    assert (said.kind, said.why) == ("later", "connection refused")


async def test_a_spend_limit_does_not_pass_by_itself(place: Place) -> None:
    document = error("rate_limit_error")
    document["error"]["details"] = {"error_code": "enforced_spend_limit_reached"}
    place.scripted(says(429, document))
    assert (await place.remote.create(BODY)).kind == "refused"


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [("7", 7.0), ("0", 1.0), ("-3", 1.0), ("1e9", 600.0), ("nan", 1.0), ("tomorrow", WAIT_S), (None, WAIT_S)],
)
async def test_how_long_to_wait(place: Place, told: str | None, wait_s: float) -> None:
    place.scripted(says(429, error("rate_limit_error"), {} if told is None else {"retry-after": told}))
    assert (await place.remote.create(BODY)).wait_s == wait_s


async def test_the_list_goes_back_to_a_moment_and_no_further(place: Place) -> None:
    old = await foreign_batch(place.simulator, 1)
    place.advance(1000)
    since_us = int(place.simulator.now() * 1e6)
    young = [await foreign_batch(place.simulator, 1) for _ in range(130)]
    listed, said = await place.remote.since(since_us)
    assert said.kind == "ok"
    assert [one.id for one in listed] == young[::-1]
    assert old in [one.id for one in (await place.remote.since(0))[0]]
    assert place.front.times(f"GET {BATCHES}") == 4


async def test_results_come_as_whole_lines(place: Place) -> None:
    name = await foreign_batch(place.simulator, 40)
    place.advance(3600)
    lines = await place.lines(name)
    assert len(lines) == 40
    assert all(msgspec.json.decode(line)["custom_id"].startswith("theirs-") for line in lines)


async def test_the_last_line_needs_no_end(place: Place) -> None:
    name = await foreign_batch(place.simulator, 3)
    place.advance(3600)
    place.scripted(changed(place.simulator, bytes.strip))
    assert len(await place.lines(name)) == 3


async def test_results_that_are_not_there_any_more(place: Place) -> None:
    name = await foreign_batch(place.simulator, 1)
    with pytest.raises(ResultsGone):
        await place.lines(name)  # not ended yet
    place.advance(KEPT_S + 1)
    with pytest.raises(ResultsGone, match="404"):
        await place.lines(name)
    with pytest.raises(ResultsGone):
        await place.lines("msgbatch_unknown")


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_key_that_may_not_read_them_does_not_lose_results(place: Place, status: int) -> None:
    place.scripted(says(status, error("authentication_error")))
    with pytest.raises(ResultsRefused, match=str(status)):
        await place.lines("msgbatch_1")


@pytest.mark.parametrize("app", [says(500, error("api_error")), says(529, error("overloaded_error")), drops])
async def test_results_that_do_not_come_now(place: Place, app: App) -> None:
    place.scripted(app)
    with pytest.raises(UpstreamError) as raised:
        await place.lines("msgbatch_1")
    assert not isinstance(raised.value, ResultsGone | ResultsRefused)

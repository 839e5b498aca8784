"""The batch endpoints under fault: what the client sees, and what exists all the same."""

from typing import Any

import msgspec
import pytest

from thriftgate.simulator import BatchRules, ConnectionDropped, Faults, LimitRules, Simulator
from thriftgate.simulator.pages import PAGE_BYTES

from .support import BATCHES as PATH
from .support import Answer, advance, call, items, post_batch, simulator

DAY = 86_400
REQUESTS = [
    ("POST", ""),
    ("GET", ""),
    ("GET", "/msgbatch_x"),
    ("POST", "/msgbatch_x/cancel"),
    ("GET", "/msgbatch_x/results"),
    ("DELETE", "/msgbatch_x"),
    ("PUT", "/msgbatch_x"),
]


async def post(app: Simulator, count: int = 2) -> Answer:
    return await call(app, "POST", PATH, {"requests": items(count)})


async def run(app: Simulator) -> int:
    """Billed items after everything ran."""
    advance(app, DAY)
    app.faults = Faults()
    await call(app, "GET", PATH)
    return len(app.bill.calls)


@pytest.mark.parametrize(("method", "rest"), REQUESTS)
async def test_errors_before_anything_happens(method: str, rest: str) -> None:
    app = simulator(faults=Faults(seed=3, batch_error=1))
    replies = [await call(app, method, PATH + rest, {"requests": items(1)}) for _ in range(20)]
    assert {reply.status for reply in replies} == {500, 529}
    assert {reply.json()["error"]["type"] for reply in replies} == {"api_error", "overloaded_error"}
    assert app.batches.known() == {}


@pytest.mark.parametrize(("method", "rest"), REQUESTS)
async def test_only_polls_are_limited(method: str, rest: str) -> None:
    app = simulator(faults=Faults(batch_poll_limited=1, retry_after_s=3))
    reply = await call(app, method, PATH + rest, {"requests": items(1)})
    assert (reply.status == 429) is ((method, rest) in {("GET", ""), ("GET", "/msgbatch_x")})
    assert reply.headers.get("retry-after") == ("3" if reply.status == 429 else None)


async def test_a_lost_answer_leaves_the_batch() -> None:
    app = simulator(faults=Faults(batch_post_lost=1))
    reply = await post(app)
    assert isinstance(reply.broke, ConnectionDropped)
    assert (reply.status, len(app.batches.known())) == (0, 1)
    assert await run(app) == 2


async def test_a_late_error_leaves_the_batch() -> None:
    app = simulator(faults=Faults(batch_error_late=1))
    assert (await post(app)).status == 500
    assert await run(app) == 2


async def test_a_post_that_takes_effect_twice() -> None:
    app = simulator(faults=Faults(batch_post_twice=1))
    made = (await post(app)).json()["id"]
    known = list(app.batches.known())
    assert known[0] == made
    assert len(known) == 2
    assert await run(app) == 4
    assert app.bill.summary()["doubled"] == 2
    tight = simulator(faults=Faults(batch_post_twice=1), limits=LimitRules(batch_queue=3))
    assert (await post(tight)).status == 200
    assert len(tight.batches.known()) == 1


@pytest.mark.parametrize("fault", ["batch_post_lost", "batch_error_late", "batch_post_twice"])
async def test_what_is_refused_is_refused_all_the_same(fault: str) -> None:
    app = simulator(faults=Faults.parse({fault: 1}))
    assert (await call(app, "POST", PATH, {"requests": []})).status == 400
    assert app.batches.known() == {}


async def test_results_come_in_pieces_and_break_off_inside_a_line() -> None:
    app = simulator(batches=BatchRules(duration_s=(60, 60)))
    made = (await post_batch(app, items(800)))["id"]
    advance(app, 60)
    whole = await call(app, "GET", f"{PATH}/{made}/results")
    assert "content-length" not in whole.headers
    assert len(whole.raw) > 2 * PAGE_BYTES
    assert max(map(len, whole.chunks)) < PAGE_BYTES + 2000
    app.faults = Faults(seed=8, batch_results_cut=1)
    lengths = set()
    for _ in range(6):
        cut = await call(app, "GET", f"{PATH}/{made}/results")
        assert isinstance(cut.broke, ConnectionDropped)
        assert cut.status == 200
        assert whole.raw.startswith(cut.raw)
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(cut.raw.splitlines()[-1])
        lengths.add(len(cut.raw))
    assert len(lengths) == 6
    app.faults = Faults()
    assert (await call(app, "GET", f"{PATH}/{made}/results")).raw == whole.raw


async def test_storms() -> None:
    app = simulator(faults=Faults(storm_every_s=600, storm_s=60))
    for _ in range(50):
        expected = 529 if app.now() % 600 < 60 else 200
        assert (await call(app, "GET", PATH)).status == (await post(app, 1)).status == expected
        assert (await call(app, "GET", "/v1/models")).status == 200
        advance(app, 31)
    assert 40 < len(app.batches.known()) < 48


async def test_faults_repeat_and_strike_their_share() -> None:
    async def statuses(seed: int) -> list[tuple[int, bool]]:
        faults = {"seed": seed, "batch_error": 0.1, "batch_post_lost": 0.2, "batch_error_late": 0.2, "batch_post_twice": 0.2}
        app = simulator(faults=Faults.parse(faults))
        replies: list[Any] = [await post(app, 1) for _ in range(200)]
        assert 185 < len(app.batches.known()) < 225  # about 20 are refused and 23 come twice
        return [(reply.status, reply.broke is None) for reply in replies]

    first = await statuses(1)
    assert first == await statuses(1) != await statuses(2)
    assert {status for status, _ in first} == {0, 200, 500, 529}


async def test_the_results_url_names_the_host() -> None:
    app = simulator(public_url="http://sim.example")
    made = (await post_batch(app, items(1)))["id"]
    advance(app, DAY)
    assert (await call(app, "GET", f"{PATH}/{made}")).json()["results_url"].startswith("http://sim.example/v1/")
    headers = {"x-api-key": "sk-ant-sim-test-1", "anthropic-version": "2023-06-01", "host": "there:1"}
    shown = (await call(app, "GET", f"{PATH}/{made}", headers=headers)).json()
    assert shown["results_url"] == f"http://there:1{PATH}/{made}/results"

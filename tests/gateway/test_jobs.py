"""`GET /thriftgate/jobs/{id}`: what is told of a job, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.batch.queueing import CALLER, GATEWAY, OTHER, ask
from tests.fixtures import until
from tests.gateway.deferring import WAITS, deferring
from thriftgate.simulator.config import BatchRules

AT_ONCE = BatchRules(duration_s=(1.0, 1.0))
BAD = ask(temperature=7.5)


async def test_a_job_from_ticket_to_answer(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:
        name = await gateway.ticket(ask())
        head = {
            "type": "thriftgate.job",
            "id": name,
            "deadline": "2026-11-21T18:00:00.000Z",
            "url": f"/thriftgate/jobs/{name}",
        }
        assert await gateway.job(name) == head | {"status": "waiting"}
        gateway.stage.clock.advance(5.0)
        assert await gateway.in_status(name, "in_batch") == head | {"status": "in_batch"}
        gateway.stage.clock.flow()
        document = await gateway.in_status(name, "answered")
        (entry,) = await gateway.stage.entries()
        assert {key: document[key] for key in head} == head
        assert (document["http_status"], document["mode"], document["request_id"]) == (200, "batch", entry.id)
        assert document["answer"]["id"] == entry.message_id
        assert float(document["cost_usd"]) == float(document["saved_usd"]) > 0
        assert "2026-11-21T12:00:00.000Z" < document["answered"] < document["deadline"]
        assert await gateway.job(name) == document, "it can be asked for again"


async def test_the_answer_stands_there_as_the_provider_gave_it(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        name = await gateway.ticket(ask())
        await gateway.in_status(name, "answered")
        got = await gateway.get(f"/thriftgate/jobs/{name}")
        answer = await gateway.stage.queue.book.answer("queue", 1)
        assert answer is not None
        assert answer.body in got.body


async def test_a_job_that_failed_tells_the_error(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        name = await gateway.ticket(BAD)
        document = await gateway.in_status(name, "failed")
        assert document["http_status"] == 400
        assert document["answer"]["error"]["type"] == "invalid_request_error"
        assert (document["cost_usd"], document["saved_usd"]) == ("0", "0")


async def test_a_job_that_was_called_tells_what_the_call_cost(tmp_path: Path) -> None:
    rules = BatchRules(duration_s=(80_000.0, 80_000.0))
    async with deferring(tmp_path, rules=rules) as gateway:
        name = await gateway.ticket(ask(), {"thriftgate-deadline": "30m"})
        document = await gateway.in_status(name, "answered")
        assert document["mode"] == "standard"
        assert (float(document["cost_usd"]) > 0, document["saved_usd"]) == (True, "0")
        assert document["answered"] < document["deadline"]


async def test_nobody_else_sees_it(tmp_path: Path) -> None:
    """Another key is told what it would be told of a job that never was."""
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        name = await gateway.ticket(ask())
        await gateway.in_status(name, "answered")
        none = await gateway.get("/thriftgate/jobs/job_none")
        for key in (OTHER, GATEWAY, "", name, CALLER + "0", CALLER.upper()):
            got = await gateway.get(f"/thriftgate/jobs/{name}", key)
            assert got.status == 404, key
            assert got.body == none.body.replace(b"job_none", name.encode())
        async with gateway.session.get(
            f"{gateway.url}/thriftgate/jobs/{name}", headers={"authorization": f"Bearer {CALLER}"}
        ) as response:
            assert response.status == 200, "the same key, sent the other way"


@pytest.mark.parametrize(
    "path",
    [
        "/thriftgate/jobs",
        "/thriftgate/jobs/",
        "/thriftgate/jobs/1",
        "/thriftgate/jobs/job_1/more",
        "/thriftgate/jobs/" + "j" * 20_000,
        "/thriftgate/jobs/%00%FF%0A'\"<script>",
        "/thriftgate/jobs/..%2f..%2freadyz",
        "/thriftgate",
    ],
)
async def test_what_is_no_job_is_not_found(path: str, tmp_path: Path) -> None:
    async with deferring(tmp_path) as gateway:
        async with gateway.session.get(_exactly(gateway.url + path), headers={"x-api-key": CALLER}) as response:
            assert response.status == 404
            assert response.headers["content-type"] == "application/json"
            told = await response.json()
        assert (told["type"], told["error"]["type"]) == ("error", "not_found_error")
        assert len(told["error"]["message"]) < 21_000 if path == "/thriftgate/jobs" else 300


def _exactly(url: str) -> Any:
    from yarl import URL

    return URL(url, encoded=True)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_a_job_can_only_be_asked_for(method: str, tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE) as gateway:
        name = await gateway.ticket(ask())
        got = await gateway.get(f"/thriftgate/jobs/{name}", method=method)
        assert got.status == 404
        assert got.headers["thriftgate-error"] == "not_served"
        assert (got.body == b"") is (method == "HEAD")
        await gateway.in_status(name, "answered")


async def test_a_gateway_without_a_queue_has_no_jobs(tmp_path: Path) -> None:
    async with deferring(tmp_path, flags={"upstream.api_key": ""}) as gateway:
        assert (await gateway.get("/thriftgate/jobs/job_1")).status == 404


async def test_answers_are_kept_for_as_long_as_is_set(tmp_path: Path) -> None:
    async with deferring(tmp_path, rules=AT_ONCE, flags={"batch.answers_kept_h": 1}) as gateway:
        name = await gateway.ticket(ask(), WAITS)
        await gateway.in_status(name, "answered")
        gateway.stage.clock.advance(3500.0)
        assert (await gateway.job(name))["status"] == "answered"
        gateway.stage.clock.advance(200.0)
        got = await gateway.get(f"/thriftgate/jobs/{name}")
        assert (got.status, got.headers["thriftgate-error"]) == (404, "no_job")
        assert "answers are kept for a while only" in got.document["error"]["message"]


async def test_open_jobs_and_batches_stand_on_the_metrics_page(tmp_path: Path) -> None:
    async with deferring(tmp_path, flows=False) as gateway:

        async def shown(jobs: float, batches: float) -> None:
            """A batch stands in the books a moment before it is counted."""

            async def so_far() -> bool:
                lines = (await gateway.get("/thriftgate/metrics")).body.decode().splitlines()
                types = {"# TYPE thriftgate_queue_jobs gauge", "# TYPE thriftgate_queue_batches gauge"}
                return types | {f"thriftgate_queue_jobs {jobs}", f"thriftgate_queue_batches {batches}"} <= set(lines)

            await until(so_far)

        await shown(0.0, 0.0)
        name = await gateway.ticket(ask())
        await gateway.ticket(ask(2))
        await shown(2.0, 0.0)
        gateway.stage.clock.advance(5.0)
        await gateway.in_status(name, "in_batch")
        await shown(2.0, 1.0)
        gateway.stage.clock.flow()
        await gateway.in_status(name, "answered")
        await shown(0.0, 0.0)

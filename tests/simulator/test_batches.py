from typing import Any

import msgspec
import pytest

from thriftgate.simulator import BatchRules, LimitRules, Simulator
from thriftgate.simulator.bill import cost_usd

from .support import Answer, advance, ask, body, call, simulator, text

PATH = "/v1/messages/batches"
DAY = 86_400


def entries(count: int, **members: Any) -> dict[str, Any]:
    return {
        "requests": [
            {
                "custom_id": f"job-{number}",
                "params": body(**({"messages": [{"role": "user", "content": f"item {number}"}]} | members)),
            }
            for number in range(count)
        ]
    }


async def create(app: Simulator, content: Any) -> dict[str, Any]:
    reply = await call(app, "POST", PATH, content)
    assert reply.status == 200, reply.raw
    shown: dict[str, Any] = reply.json()
    return shown


async def get(app: Simulator, batch_id: str, action: str = "") -> Answer:
    return await call(app, "GET", f"{PATH}/{batch_id}{action}")


async def results(app: Simulator, batch_id: str) -> dict[str, Any]:
    reply = await get(app, batch_id, "/results")
    assert reply.status == 200, reply.raw
    assert reply.headers["content-type"] == "application/x-jsonl"
    lines = [msgspec.json.decode(line) for line in reply.raw.splitlines()]
    return {line["custom_id"]: line["result"] for line in lines}


async def test_life_of_a_batch() -> None:
    app = simulator(batches=BatchRules(duration_s=(600, 600)))
    content = entries(20)
    content["requests"].append({"custom_id": "bad", "params": {"model": "nothing"}})
    made = await create(app, content)
    assert made["id"].startswith("msgbatch_")
    assert (made["type"], made["processing_status"], made["results_url"]) == ("message_batch", "in_progress", None)
    assert made["request_counts"] == {"processing": 21, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    assert (made["created_at"], made["expires_at"]) == ("2026-11-21T12:00:00.000000Z", "2026-11-22T12:00:00.000000Z")
    assert (await get(app, made["id"], "/results")).status == 404
    advance(app, 400)  # some items ran, yet the counts stay frozen
    halfway = (await get(app, made["id"])).json()
    assert halfway["request_counts"] == made["request_counts"]
    assert 0 < len(app.bill.calls) < 20
    advance(app, 200)
    done = (await get(app, made["id"])).json()
    assert done["processing_status"] == "ended"
    assert done["request_counts"] == {"processing": 0, "succeeded": 20, "errored": 1, "canceled": 0, "expired": 0}
    assert done["results_url"].endswith(f"{PATH}/{made['id']}/results")
    found = await results(app, made["id"])
    assert list(found) != sorted(found)
    error = found["bad"]["error"]
    assert (found["bad"]["type"], error["type"], error["error"]["type"]) == ("errored", "error", "invalid_request_error")
    assert error["request_id"].startswith("req_")
    message = found["job-0"]["message"]
    assert message["usage"]["service_tier"] == "batch"
    first = next(entry for entry in app.bill.calls if entry.custom_id == "job-0")
    model = app.models.by_name[first.model]
    assert first.cost * 2 == cost_usd(model, first.at, first.usage)
    advance(app, 29 * DAY)
    assert (await get(app, made["id"], "/results")).status == 404


async def test_answers_are_those_of_a_direct_call() -> None:
    app = simulator()
    made = await create(app, entries(2))
    advance(app, DAY)
    direct = (await ask(app, body(messages=[{"role": "user", "content": "item 1"}]))).json()
    assert (await results(app, made["id"]))["job-1"]["message"]["content"] == direct["content"]


async def test_cancel_keeps_what_ran() -> None:
    app = simulator(batches=BatchRules(duration_s=(1000, 1000)))
    made = await create(app, entries(20))
    assert (await call(app, "DELETE", f"{PATH}/{made['id']}")).status == 400
    advance(app, 500)
    canceling = (await call(app, "POST", f"{PATH}/{made['id']}/cancel")).json()
    assert canceling["processing_status"] == "canceling"
    assert canceling["cancel_initiated_at"] is not None
    advance(app, 5)
    ended = (await get(app, made["id"])).json()
    counts = ended["request_counts"]
    assert (ended["processing_status"], counts["processing"]) == ("ended", 0)
    assert counts["succeeded"] > 0 < counts["canceled"]
    assert counts["succeeded"] == len(app.bill.calls)
    assert {result["type"] for result in (await results(app, made["id"])).values()} == {"succeeded", "canceled"}
    assert (await call(app, "POST", f"{PATH}/{made['id']}/cancel")).status == 400
    deleted = (await call(app, "DELETE", f"{PATH}/{made['id']}")).json()
    assert deleted == {"id": made["id"], "type": "message_batch_deleted"}
    assert (await get(app, made["id"])).status == 404


async def test_items_expire_after_a_day() -> None:
    app = simulator(batches=BatchRules(stuck_share=0.5))
    made = await create(app, entries(20))
    advance(app, DAY - 1)
    assert (await get(app, made["id"])).json()["processing_status"] == "in_progress"
    advance(app, 1)
    counts = (await get(app, made["id"])).json()["request_counts"]
    assert counts["expired"] > 0 < counts["succeeded"]
    assert counts["expired"] + counts["succeeded"] == 20
    assert counts["succeeded"] == len(app.bill.calls)


async def test_no_idempotency() -> None:
    app = simulator()
    first, second = await create(app, entries(1)), await create(app, entries(1))
    assert first["id"] != second["id"]
    advance(app, DAY)
    await get(app, first["id"])
    assert len(app.bill.calls) == 2


async def test_listing_is_newest_first_and_per_workspace() -> None:
    app = simulator()
    made = [(await create(app, entries(1)))["id"] for _ in range(3)]
    page = (await call(app, "GET", f"{PATH}?limit=2")).json()
    assert [row["id"] for row in page["data"]] == made[:0:-1]
    assert page["has_more"]
    rest = (await call(app, "GET", f"{PATH}?limit=2&after_id={page['last_id']}")).json()
    assert [row["id"] for row in rest["data"]] == made[:1]
    other = {"x-api-key": "sk-ant-sim-elsewhere-1", "anthropic-version": "2023-06-01"}
    assert (await call(app, "GET", PATH, headers=other)).json()["data"] == []
    assert (await call(app, "GET", f"{PATH}/{made[0]}", headers=other)).status == 404


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({}, 400, "requests: Field required"),
        ({"requests": []}, 400, "requests: at least one request is required"),
        ({"requests": [{"custom_id": "a"}]}, 400, "requests.0: custom_id and params are required"),
        (
            {"requests": [{"custom_id": "a b", "params": {}}]},
            400,
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        (
            {"requests": [{"custom_id": "a", "params": {}}] * 2},
            400,
            "requests.1.custom_id: custom_id must be unique; found duplicate: a",
        ),
        ({"requests": [{"custom_id": str(number), "params": {}} for number in range(4)]}, 413, "requests: 4 > 3 maximum"),
    ],
)
async def test_frames_that_are_refused(content: Any, status: int, said: str) -> None:
    reply = await call(simulator(batches=BatchRules(max_requests=3)), "POST", PATH, content)
    assert (reply.status, reply.json()["error"]["message"]) == (status, said)


async def test_size_and_queue_limits() -> None:
    assert (await call(simulator(batches=BatchRules(max_bytes=100)), "POST", PATH, entries(3))).status == 413
    app = simulator(limits=LimitRules(batch_queue=3))
    await create(app, entries(2))
    assert (await call(app, "POST", PATH, entries(2))).status == 429


@pytest.mark.parametrize(
    "member", [{"stream": True}, {"speed": "fast"}, {"max_tokens": 0}, {"fallbacks": "default"}, {"store": True}]
)
async def test_what_cannot_be_batched_ends_as_errored(member: dict[str, Any]) -> None:
    app = simulator()
    made = await create(app, entries(1, model="claude-opus-5-5", **member))
    advance(app, DAY)
    assert (await results(app, made["id"]))["job-0"]["type"] == "errored"
    assert app.bill.calls == []


async def test_a_refusal_is_a_success() -> None:
    app = simulator()
    made = await create(app, entries(1, messages=[{"role": "user", "content": "[[sim: refuse=cyber]]"}]))
    advance(app, DAY)
    result = (await results(app, made["id"]))["job-0"]
    assert (result["type"], result["message"]["stop_reason"]) == ("succeeded", "refusal")


async def test_caching_inside_a_batch_hits_most_items() -> None:
    app = simulator(batches=BatchRules(duration_s=(300, 300)))
    await create(app, entries(40, system=[text("shared " * 2000, "1h")]))
    advance(app, DAY)
    await call(app, "GET", PATH)
    hits = [entry.usage.read > 0 for entry in app.bill.calls]
    assert len(hits) == 40
    assert sum(hits) / len(hits) > 0.9
    quick = simulator(batches=BatchRules(duration_s=(20, 20), readable_s=10))
    await create(quick, entries(40, system=[text("shared " * 2000, "1h")]))
    advance(quick, DAY)
    await call(quick, "GET", PATH)
    assert 0.3 < sum(entry.usage.read > 0 for entry in quick.bill.calls) / 40 < 0.8


async def test_displaced_thinking_is_dropped_inside_a_batch() -> None:
    app = simulator()
    content = body(model="claude-opus-5-5", messages=[{"role": "user", "content": "a [[sim: think=20]]"}])
    reply = (await ask(app, content)).json()
    content["messages"] += [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": "b"}]
    content["system"] = "new"
    assert (await ask(app, content)).status == 400
    made = await create(app, {"requests": [{"custom_id": "x", "params": content}]})
    advance(app, DAY)
    message = (await results(app, made["id"]))["x"]["message"]
    assert message["input_transformations"][0]["reason"] == "prefix_binding_mismatch"


@pytest.mark.parametrize(("method", "rest"), [("PUT", ""), ("POST", "/x/nothing"), ("GET", "/x/nothing")])
async def test_unknown_routes(method: str, rest: str) -> None:
    assert (await call(simulator(), method, PATH + rest)).status == 404

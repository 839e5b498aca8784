from typing import Any

import msgspec
import pytest

from thriftgate.simulator import BatchRules, Faults, LimitRules, Simulator
from thriftgate.simulator.bill import cost_usd

from .support import BATCHES as PATH
from .support import BINDING, CALLER, Answer, advance, ask, body, call, items, post_batch, simulator, text

DAY = 86_400


def entries(count: int, **members: Any) -> dict[str, Any]:
    return {"requests": items(count, **members)}


async def create(app: Simulator, content: dict[str, Any]) -> dict[str, Any]:
    return await post_batch(app, content["requests"])


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


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        (body(model="claude-opus-9"), "not_found_error"),
        (body(model="claude-3-opus-20240229"), "not_found_error"),
        (body(messages=[]), "invalid_request_error"),
        (body(surplus=1), "invalid_request_error"),
        (5, "invalid_request_error"),
        (None, "invalid_request_error"),
    ],
)
async def test_invalid_params_end_as_errored_beside_good_ones(params: Any, kind: str) -> None:
    app = simulator()
    made = await create(app, {"requests": [*items(1), {"custom_id": "bad", "params": params}]})
    advance(app, DAY)
    found = await results(app, made["id"])
    assert (found["bad"]["type"], found["bad"]["error"]["error"]["type"]) == ("errored", kind)
    assert found["job-0"]["type"] == "succeeded"
    assert [entry.custom_id for entry in app.bill.calls] == ["job-0"]


async def test_numbers_out_of_range_end_as_errored() -> None:
    app = simulator()
    made = (
        await call(app, "POST", PATH, b'{"requests":[{"custom_id":"a","params":{"max_tokens":' + b"9" * 5000 + b"}}]}")
    ).json()
    advance(app, DAY)
    assert "not valid JSON" in (await results(app, made["id"]))["a"]["error"]["error"]["message"]


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
    reply = await call(app, "POST", PATH, {"requests": [{"custom_id": "x", "params": content}]}, headers=BINDING)
    advance(app, DAY)
    message = (await results(app, reply.json()["id"]))["x"]["message"]
    assert message["input_transformations"][0]["reason"] == "prefix_binding_mismatch"


@pytest.mark.parametrize(("method", "rest"), [("PUT", ""), ("POST", "/x/nothing"), ("GET", "/x/nothing")])
async def test_unknown_routes(method: str, rest: str) -> None:
    assert (await call(simulator(), method, PATH + rest)).status == 404


async def test_the_queue_is_counted_per_organization_until_batches_end() -> None:
    app = simulator(limits=LimitRules(batch_queue=3))
    made = await create(app, entries(2))
    other = {"x-api-key": "sk-ant-sim-else.where-1", "anthropic-version": "2023-06-01"}
    assert (await call(app, "POST", PATH, entries(3), headers=other)).status == 200
    assert (await call(app, "POST", PATH, entries(2))).status == 429
    advance(app, DAY)
    await get(app, made["id"])
    assert (await call(app, "POST", PATH, entries(3))).status == 200


async def test_workers_start_one_after_another_in_the_order_of_the_file() -> None:
    app = simulator(batches=BatchRules(workers=4, service_s=8, start_s=(10, 10)))
    begin = app.now()
    made = await create(app, entries(6))
    advance(app, 15)
    assert (await get(app, made["id"])).json()["processing_status"] == "in_progress"
    assert [(entry.custom_id, entry.at - begin) for entry in app.bill.calls] == [
        ("job-0", 10),
        ("job-1", 12),
        ("job-2", 14),
    ]
    advance(app, 100)
    ended = (await get(app, made["id"])).json()["ended_at"]
    assert ended == "2026-11-21T12:00:28.000000Z"  # the sixth item starts after 20 seconds and takes eight


async def test_an_entry_is_readable_later_the_longer_the_prompt() -> None:
    async def hits(rules: BatchRules) -> list[bool]:
        app = simulator(batches=rules)
        await create(app, entries(6, system=[text("shared " * 2000, "5m")]))
        advance(app, DAY)
        await call(app, "GET", PATH)
        return [entry.usage.read > 0 for entry in app.bill.calls]

    one_a_second: dict[str, Any] = {"workers": 1, "service_s": 1.0}
    assert await hits(BatchRules(**one_a_second, readable_s=1)) == [False] + [True] * 5
    per_token = 2.5 / 5000  # the prompt has a little more than 5,000 tokens
    assert await hits(BatchRules(**one_a_second, readable_s=0, read_per_token_s=per_token)) == [False] * 3 + [True] * 3


async def test_a_batch_keeps_the_rules_it_was_created_under() -> None:
    app = simulator(batches=BatchRules(workers=1, service_s=100, cancel_s=50))
    made = await create(app, entries(3))
    app.batches.rules = BatchRules(cancel_s=0)
    await call(app, "POST", f"{PATH}/{made['id']}/cancel")
    advance(app, 49)
    assert (await get(app, made["id"])).json()["processing_status"] == "canceling"
    advance(app, 1)
    assert (await get(app, made["id"])).json()["request_counts"]["canceled"] == 2


async def test_a_cancel_that_comes_with_an_item_lets_it_run_once() -> None:
    app = simulator(batches=BatchRules(workers=1, service_s=10))
    made = await create(app, entries(5))
    app.batches.cancel(made["id"], CALLER, app.now())  # before the first item, due now, was looked at
    advance(app, 2)
    assert (await get(app, made["id"])).json()["request_counts"] == {
        "processing": 0,
        "succeeded": 1,
        "errored": 0,
        "canceled": 4,
        "expired": 0,
    }


async def test_batches_share_the_cache_in_order_of_time() -> None:
    """Two batches that run side by side: items of both are answered in the order in which they start."""
    app = simulator(batches=BatchRules(workers=1, service_s=10))
    first = await create(app, entries(3))
    advance(app, 5)
    second = await create(app, entries(3))
    advance(app, DAY)
    await call(app, "GET", PATH)
    assert [entry.batch_id for entry in app.bill.calls] == [first["id"], second["id"]] * 3
    assert [entry.at for entry in app.bill.calls] == sorted(entry.at for entry in app.bill.calls)


async def test_items_that_fail_are_neither_billed_nor_cached() -> None:
    app = simulator(faults=Faults(seed=2, batch_item_error=0.5))
    made = await create(app, entries(200, system=[text("shared " * 2000, "1h")]))
    advance(app, DAY)
    found = await results(app, made["id"])
    failed = {name: result["error"] for name, result in found.items() if result["type"] == "errored"}
    assert 70 < len(failed) < 130
    assert {error["error"]["type"] for error in failed.values()} == {"api_error", "overloaded_error"}
    assert all(error["request_id"].startswith("req_") for error in failed.values())
    assert {entry.custom_id for entry in app.bill.calls} == found.keys() - failed.keys()
    everything = simulator(faults=Faults(batch_item_error=1))
    await create(everything, entries(3, system=[text("shared " * 2000, "1h")]))
    advance(everything, DAY)
    await call(everything, "GET", PATH)
    assert (everything.bill.calls, len(everything.service.cache)) == ([], 0)


async def test_slow_batches() -> None:
    app = simulator(batches=BatchRules(duration_s=(60, 60)), faults=Faults(seed=1, batch_slow=0.5, batch_slow_factor=20))
    made = [(await create(app, entries(1)))["id"] for _ in range(40)]
    advance(app, 60)
    ended = [(await get(app, one)).json()["processing_status"] == "ended" for one in made]
    assert 8 < sum(ended) < 32
    advance(app, 19 * 60)
    assert all([(await get(app, one)).json()["processing_status"] == "ended" for one in made])


async def test_runs_repeat() -> None:
    async def run() -> list[bytes]:
        rules = BatchRules(workers=5, service_s=20, spread=0.5, stagger=False, start_s=(0, 50), order="shuffled")
        app = simulator(batches=rules, faults=Faults(batch_item_error=0.2, batch_slow=0.5))
        made = [await create(app, entries(20)) for _ in range(3)]
        advance(app, DAY)
        shown = [(await get(app, one["id"])).raw + (await get(app, one["id"], "/results")).raw for one in made]
        return [*shown, msgspec.json.encode(app.bill.document())]

    assert await run() == await run()


async def test_a_finished_batch_holds_no_params_and_its_results_packed() -> None:
    app = simulator(batches=BatchRules(duration_s=(60, 60)))
    made = await create(app, entries(50, system="long " * 5000))
    waiting = app.batches.known()[made["id"]].items
    assert waiting is not None
    advance(app, 30)
    await get(app, made["id"])
    ran = [not params for params in waiting.params]
    assert ran == [bool(line) for line in waiting.lines]
    assert 10 < sum(ran) < 40
    advance(app, 30)
    await get(app, made["id"])
    ended = app.batches.known()[made["id"]]
    assert ended.items is None
    assert ended.pages is not None
    assert ended.pages.size == len((await get(app, made["id"], "/results")).raw)

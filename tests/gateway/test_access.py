"""Who may call: virtual keys through the whole gateway, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import KEY, MODEL, books, message, settings_of, until
from tests.gateway.keyed import Stage, at_tenants, staged
from tests.gateway.test_app import lifespan
from thriftgate.core.errors import ConfigError, NotAllowed, Unauthenticated
from thriftgate.gateway.access import is_loopback
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.issuing import HOST, Issuer
from thriftgate.ledger.tenants import Key
from thriftgate.wire import DIALECTS


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one


async def entries(stage: Stage) -> list[Entry]:
    async with books(stage.ledger) as ledger:
        return list(await ledger.entries())


async def test_a_key_opens_the_gateway_and_without_one_it_is_shut(stage: Stage) -> None:
    assert (await stage.call(x_api_key="anything")).status == 200  # before there is any key
    key, secret = await stage.issue(tags=("env=prod",))
    assert (await stage.call(x_api_key=secret)).status == 200
    assert (await stage.call(authorization=f"Bearer {secret}")).status == 200
    assert (await stage.call(x_api_key="sk-ant-mine", authorization=f"bearer {secret}")).status == 200
    refused = [await stage.call(**wrong) for wrong in wrong_for(secret)]
    assert {one.error[:2] for one in refused} == {(401, "authentication_error")}
    assert len({one.body for one in refused}) == 1  # nothing tells why
    assert {one.headers["x-should-retry"] for one in refused} == {"false"}
    booked = await entries(stage)
    assert [(one.key, one.whose.tags) for one in booked[1:]] == [(key.id, ("env=prod",))] * 3


def wrong_for(secret: str) -> list[dict[str, str]]:
    """Ways to call that are none."""
    return [{}, {"x_api_key": "anything"}, {"x_api_key": secret[:-1] + "_"}, {"authorization": f"Basic {secret}"}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/claude-opus-5-5"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/msgbatch_1"),
        ("GET", "/v1/messages/batches/msgbatch_1/results"),
        ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
        ("DELETE", "/v1/messages/batches/msgbatch_1"),
        ("GET", "/thriftgate/jobs/job_1"),
        ("GET", "/thriftgate/metrics"),
    ],
)
async def test_no_route_but_of_life_is_open_once_there_is_a_key(method: str, path: str, stage: Stage) -> None:
    _, secret = await stage.issue(scopes=("act-as",))
    assert (await stage.ask(method, path, {})).error[:2] == (401, "authentication_error")
    status, kind, words = (await stage.ask(method, path, {}, x_api_key=secret)).error
    assert (status, kind) == (403, "permission_error")
    assert "lacks the scope" in words
    assert not stage.upstream.seen
    assert (await stage.ask("GET", "/healthz")).status == 200


async def test_the_key_never_leaves_for_the_provider(stage: Stage) -> None:
    _, secret = await stage.issue()
    batch = {"requests": [{"custom_id": "a", "params": message()}]}
    counted = {"model": MODEL, "messages": message()["messages"]}
    calls = {"/v1/messages": None, "/v1/messages/count_tokens": counted, "/v1/messages/batches": batch}
    for path, body in calls.items():
        got = await stage.call(body, path, x_api_key=secret, authorization=f"Bearer {secret}", cookie=f"a={secret}")
        assert got.status == 200, got
    assert (await stage.ask("GET", "/v1/models", x_api_key=secret)).status == 200
    assert len(stage.upstream.seen) >= 4
    for headers in stage.upstream.seen:
        assert headers["x-api-key"] == KEY
        assert secret not in str(headers)
        assert {"authorization", "cookie", "thriftgate-user"}.isdisjoint(headers)


async def test_without_a_key_of_the_providers_the_answer_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path, own="") as stage:
        _, secret = await stage.issue()
        status, _, words = (await stage.call(x_api_key=secret)).error
        assert (status, "upstream.api_key" in words, stage.upstream.seen) == (503, True, [])


async def test_open_mode_takes_whoever_comes_and_still_knows_its_keys(tmp_path: Path) -> None:
    async with staged(tmp_path, own="", access={"mode": "open"}) as stage:
        _, secret = await stage.issue()
        assert (await stage.call(x_api_key=KEY, thriftgate_tags="a", thriftgate_user="u1")).status == 200
        assert stage.upstream.seen[-1]["x-api-key"] == KEY
        assert (await stage.call(x_api_key=KEY, authorization="Bearer tg-unknown")).status == 401  # it must not leave
        assert (await stage.call(x_api_key=secret)).status == 503
        assert len(stage.upstream.seen) == 1
        (entry,) = [one for one in await entries(stage) if one.status == 200]
        assert (entry.whose.tags, entry.whose.user_id) == (("a",), "u1")


async def test_required_mode_is_shut_before_there_is_any_key(tmp_path: Path) -> None:
    async with staged(tmp_path, access={"mode": "required"}) as stage:
        assert (await stage.call(x_api_key=KEY)).status == 401
        _, secret = await stage.issue()
        assert (await stage.call(x_api_key=secret)).status == 200


async def test_what_another_process_revokes_is_refused_at_once(stage: Stage) -> None:
    key, secret = await stage.issue()
    assert (await stage.call(x_api_key=secret)).status == 200
    async with at_tenants(stage.ledger) as tenants:
        await Issuer(tenants, HOST, lambda: 1).revoke(key)
    assert (await stage.call(x_api_key=secret)).status == 401
    assert (await stage.call(x_api_key="anything")).status == 401  # and the gateway is not open again


async def test_models_tasks_and_tags_that_a_key_may_name(stage: Stage) -> None:
    _, secret = await stage.issue(models=("claude-haiku-*",), tasks=("triage",), tags_allowed=("env=*",), tags=("own",))
    fine: dict[str, Any] = {"x_api_key": secret, "thriftgate_task": "triage"}
    haiku = message(model="claude-haiku-4-5")
    assert (await stage.call(haiku, **fine, thriftgate_tags="env=prod")).status == 200
    (entry,) = await entries(stage)
    assert entry.whose.tags == ("env=prod", "own")
    batch = {"requests": [{"custom_id": "a", "params": message()}]}
    for words, got in (
        ("may not ask for the model", await stage.call(**fine)),
        ("may not ask for the model", await stage.call(message(), "/v1/messages/count_tokens", **fine)),
        ("may not ask for the model", await stage.call(batch, "/v1/messages/batches", **fine)),
        ("may not use the tag", await stage.call(haiku, **fine, thriftgate_tags="eu")),
        ("may not call for the task", await stage.call(haiku, x_api_key=secret, thriftgate_task="other")),
        ("may not call for the task", await stage.call(haiku, x_api_key=secret)),
        ("lacks the scope act-as", await stage.call(haiku, **fine, thriftgate_user="u1")),
    ):
        assert got.error[:2] == (403, "permission_error")
        assert words in got.error[2]
    assert (await stage.call(b"{", **fine)).status == 400  # what cannot be read is told as such


async def test_a_key_names_the_end_user_and_its_own_user_team_and_organisation(stage: Stage) -> None:
    async with at_tenants(stage.ledger) as tenants:
        issuer = Issuer(tenants, HOST, lambda: 1)
        team = await issuer.add_team("platform")
        user = await issuer.add_user("ann", team="platform")
    _, acting = await stage.issue(user="ann", scopes=("call", "act-as"))
    await stage.call(x_api_key=acting)
    await stage.call(x_api_key=acting, thriftgate_user="u-4711")
    assert [(one.whose.user_id, one.whose.team, one.whose.org) for one in await entries(stage)] == [
        (user.id, team.id, team.org),
        ("u-4711", team.id, team.org),
    ]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"thriftgate_tags": "x" * 101}, "101 characters long"),
        ({"thriftgate_tags": ",".join(map(str, range(17)))}, "17 tags"),
        ({"thriftgate_tags": "caf\u0085e"}, "control character"),
        ({"thriftgate_user": "y" * 5000}, "5000 characters long"),
    ],
)
async def test_labels_are_short_and_of_one_line(headers: dict[str, str], words: str, stage: Stage) -> None:
    _, secret = await stage.issue(scopes=("call", "act-as"))
    status, kind, told = (await stage.call(x_api_key=secret, **headers)).error
    assert (status, kind) == (400, "invalid_request_error")
    assert words in told


async def test_a_job_and_a_batch_are_of_the_key_that_made_them(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        mine, secret = await stage.issue("mine", tags=("t",))
        _, other = await stage.issue("other")
        got = await stage.call(message(model="claude-opus-5-5"), x_api_key=secret, thriftgate_deadline="24h")
        assert got.status == 202, got
        name = got.document["id"]
        assert (await stage.ask("GET", f"/thriftgate/jobs/{name}", x_api_key=secret)).status == 200
        assert (await stage.ask("GET", f"/thriftgate/jobs/{name}", x_api_key=other)).status == 404
        batch = {"requests": [{"custom_id": "a", "params": message()}]}
        made = await stage.call(batch, "/v1/messages/batches", x_api_key=secret)
        assert made.status == 200, made
        async with books(stage.ledger) as ledger:
            holds = [one for one in await ledger.open_holds() if one.batch]
        assert [(one.key, one.whose.tags) for one in holds] == [(mine.id, ("t",))]


async def test_when_a_key_was_used_is_written_down_at_the_end(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        key, secret = await stage.issue()
        await stage.call(x_api_key=secret)
    async with at_tenants(stage.ledger) as tenants:
        found = await tenants.get(Key, key.id)
    assert found is not None
    assert found.used_us > found.created_us


# --- start -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "mode", "starts"),
    [("127.0.0.1", "auto", True), ("::1", "auto", True), ("localhost", "auto", True), ("0.0.0.0", "auto", False),
     ("10.1.2.3", "auto", False), ("example.org", "auto", False), ("0.0.0.0", "open", True), ("0.0.0.0", "required", True)],
)  # fmt: skip
async def test_an_address_that_others_reach_needs_a_key_or_the_word_open(host: str, mode: str, starts: bool) -> None:
    gateway = Gateway(settings_of(server={"host": host}, access={"mode": mode}))
    said = await lifespan(gateway)
    assert (said[0]["type"] == "lifespan.startup.complete") is starts
    assert starts or isinstance(gateway.failure, ConfigError)
    assert starts or "thriftgate keys create" in str(gateway.failure)


def test_loopback_is_told_from_all_others() -> None:
    assert [is_loopback(host) for host in ("127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "", "localhost.evil")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


async def test_a_lost_master_key_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.issue()
    Path(f"{stage.ledger}-master-key").unlink()
    gateway = Gateway(settings_of(ledger={"path": stage.ledger}))
    said = await lifespan(gateway)
    assert said[0]["type"] == "lifespan.startup.failed"
    assert "there is no master key at" in str(gateway.failure)
    assert not Path(f"{stage.ledger}-master-key").exists()  # a new one would open nothing


async def test_a_second_look_finds_what_was_made_while_serving(tmp_path: Path) -> None:
    async with staged(tmp_path, access={"recheck_s": 0.2}) as stage:
        assert (await stage.call(x_api_key=KEY)).status == 200
        await stage.issue()

        async def shut() -> bool:
            await asyncio.sleep(0.05)
            return (await stage.call(x_api_key=KEY)).status == 401

        await until(shut)


def test_refusals_have_the_shape_that_sdks_know() -> None:
    for error in (Unauthenticated("a"), NotAllowed("b")):
        told = msgspec.json.decode(DIALECTS[0].error(error))
        assert told == {"type": "error", "error": {"type": error.error_type, "message": str(error)}, "request_id": None}

"""A secret is told once. It stands in no log, no error, no answer, and nowhere in the database or its journal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.fixtures import KEY, TestClock, books, message
from tests.gateway.keyed import Stage, at_tenants, staged
from tests.gateway.test_roster import Room
from thriftgate.ledger.master_key import MasterKey
from thriftgate.ledger.sealing import open_vault
from thriftgate.ledger.sql_tenants import SqlTenants
from thriftgate.ledger.tenants import ProviderKey

OWN = "sk-ant-api03-never-told-4711"


def parts_of(secret: str) -> list[bytes]:
    """The secret, and pieces of it that would help whoever finds one."""
    body = secret.removeprefix("tg-").removeprefix("sk-ant-")
    return [secret.encode(), body.encode(), body[:16].encode(), body[-16:].encode(), body.encode().hex().encode()]


async def everything(stage: Stage) -> list[str]:
    """Use keys in every way there is; the secrets that were used."""
    boss = (await stage.issue("boss", role="owner", scopes=("call", "admin"))).secret
    made = (await stage.admin("POST", "/keys", boss, {"name": "ci"})).document
    rotated = (await stage.admin("POST", f"/keys/{made['id']}/rotate", boss, {"overlap_s": 60})).document
    await stage.admin("POST", "/provider-keys", boss, {"name": "main", "secret": OWN})
    login = await stage.ask("POST", "/thriftgate/login", {"key": boss})
    cookie = login.headers["set-cookie"].partition(";")[0]
    await stage.ask("GET", "/thriftgate/admin/v1/keys", cookie=cookie)
    for secret in (boss, made["secret"], rotated["secret"]):
        await stage.call(x_api_key=secret)
        await stage.call(message(stream=True), x_api_key=secret)
        await stage.call(b"{", x_api_key=secret)
        await stage.call(message(model="claude-nobody"), x_api_key=secret)
        await stage.call(x_api_key=secret, thriftgate_deadline="24h")
        await stage.call({"requests": [{"custom_id": "a", "params": message()}]}, "/v1/messages/batches", x_api_key=secret)
        await stage.ask("GET", f"/{secret}x", x_api_key=secret[:-1])
    wrong = made["secret"][:-1] + ("_" if made["secret"][-1] != "_" else "-")
    await stage.ask("GET", f"/v1/models/{boss}", x_api_key=wrong)
    await stage.call(x_api_key=wrong)
    await stage.ask("POST", "/thriftgate/login", {"key": wrong})
    await stage.ask("GET", "/thriftgate/admin/v1/keys", x_api_key=wrong)
    return [boss, made["secret"], rotated["secret"], OWN, cookie.partition("=")[2], login.document["csrf"]]


async def test_no_secret_is_in_the_database_its_journal_or_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with staged(tmp_path) as stage:
        secrets = await everything(stage)
        living = {one.name: one.read_bytes() for one in tmp_path.iterdir() if one.is_file()}
    files = {one.name: one.read_bytes() for one in tmp_path.iterdir() if one.is_file()}
    told = "".join(capfd.readouterr()).encode()
    assert any(name.endswith("-wal") and data for name, data in living.items())
    assert b"key refused" in told  # the log was looked at
    assert b"login refused" in told
    for secret in secrets:
        for part in parts_of(secret):
            for name, data in (*living.items(), *files.items(), ("the log", told)):
                assert part not in data, (name, secret[:8])
    master = files["books.db-master-key"].strip()
    assert all(master not in data for name, data in files.items() if name != "books.db-master-key")
    async with at_tenants(stage.ledger) as tenants:  # and yet it is there, for whoever has the master key
        vault = await open_vault(tenants, MasterKey(stage.ledger))
        (kept,) = await tenants.page(ProviderKey)
        assert vault.provider_secret(kept) == OWN


async def test_no_answer_repeats_a_secret_but_the_one_that_made_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="owner")
        made = await stage.admin("POST", "/keys", boss, {"name": "ci"})
        secret = made.document["secret"]
        assert made.body.count(secret.encode()) == 1
        await stage.admin("POST", "/provider-keys", boss, {"name": "main", "secret": OWN})
        for path in ("/keys", "/keys?all=true", f"/keys/{made.document['id']}", "/provider-keys", "/audit", "/whoami"):
            got = await stage.admin("GET", path, boss)
            assert got.status == 200
            for one in (secret, boss, OWN):
                assert all(part not in got.body for part in parts_of(one)), path
        for wrong in (secret[:-1], f"{secret}x", "sk-ant-somebody-else"):
            for got in (await stage.call(x_api_key=wrong), await stage.ask("POST", "/thriftgate/login", {"key": wrong})):
                assert wrong.encode() not in got.body
                assert wrong not in str(got.headers)


@pytest.mark.parametrize("value", ["a\r\nx-api-key: evil", "a\nb", "a\x00b"])
async def test_no_label_reaches_the_provider_or_makes_a_header(value: str, tmp_path: Path) -> None:
    """As bytes on the socket: a client library would not send them."""
    async with staged(tmp_path) as stage:
        _, secret = await stage.issue(scopes=("call", "act-as"), priority="high")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(stage.url.rpartition(":")[2]))
        head = f"POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {secret}\r\nthriftgate-tags: {value}\r\n"
        writer.write(f"{head}content-length: 2\r\n\r\n{{}}".encode())
        answer = await asyncio.wait_for(reader.read(65536), 10)
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 40"), answer
        assert b"evil" not in answer
        await stage.call(x_api_key=secret, thriftgate_tags="x", thriftgate_user="u")
        for headers in stage.upstream.seen:
            assert headers.get("x-api-key") == KEY
            assert not [name for name in headers if name.startswith("thriftgate-")]


async def test_wrong_keys_are_slowed_down_and_right_ones_are_not(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, secret = await stage.issue()
        statuses = [(await stage.call(x_api_key="tg-wrong")).status for _ in range(12)]
        assert statuses[:6] == [401] * 6
        assert statuses[-1] == 429
        got = await stage.call(x_api_key="tg-wrong")
        assert int(got.headers["retry-after"]) >= 1
        assert (await stage.call(x_api_key=secret)).status == 200  # its neighbours behind one address go on
        assert (await stage.ask("POST", "/thriftgate/login", {"key": secret})).status == 429  # people wait


async def test_unknown_and_malformed_keys_take_the_same_way(tmp_path: Path) -> None:
    """By what is called for each, in order: times would tell of the machine."""
    async with books(tmp_path / "books.db") as ledger:
        room = Room(SqlTenants(ledger))
        assert isinstance(room.clock, TestClock)
        _, secret = await room.issue()
        await room.find(secret)
        tries = [secret[:-1] + "_", "tg-" + "A" * 49, "tg-", "sk-ant-api03-" + "x" * 90, "é" * 52, secret.upper()]
        find: Callable[[str], object] = room.roster.find
        ways = {text: way_of(partial(find, text)) for text in tries}
        assert len(set(ways.values())) == 1, ways
        assert len(ways[tries[0]]) > 3
        assert way_of(partial(find, secret)) != ways[tries[0]]


def way_of(work: Callable[[], object]) -> tuple[str, ...]:
    """The names of all that is called meanwhile, also of what is written in C."""
    called: list[str] = []

    def note(frame: FrameType, event: str, told: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)
        elif event == "c_call":
            called.append(told.__name__)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return tuple(called)

"""`thriftgate keys`, from the first key to the last."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.cli.conftest import Done, Run
from tests.fixtures import HEADERS, message, running, until
from thriftgate.core.control.key_text import check_key_text


class Desk:
    """The verbs on one ledger."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.ledger = folder / "books.db"

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Done:
        return self._run(*arguments, "--ledger", str(self.ledger), stdin=stdin)

    def json(self, *arguments: str, stdin: bytes = b"") -> Any:
        done = self(*arguments, "--json", stdin=stdin)
        assert done.code == 0, done
        return done.json()


@pytest.fixture
def desk(run: Run, tmp_path: Path) -> Desk:
    return Desk(run, tmp_path)


def test_a_key_is_made_listed_rotated_and_ended(desk: Desk) -> None:
    made = desk.json("keys", "create", "ci", "--tag", "env=prod", "--model", "claude-haiku-*", "--expires", "90d")
    check_key_text(made["secret"])
    assert (made["name"], made["state"], made["tags"], made["models"]) == ("ci", "active", ["env=prod"], ["claude-haiku-*"])
    assert stat.S_IMODE(Path(f"{desk.ledger}-master-key").stat().st_mode) == 0o600
    (listed,) = desk.json("keys", "list")["keys"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    rotated = desk.json("keys", "rotate", "ci", "--overlap", "1h")
    assert rotated["secret"] != made["secret"]
    assert desk.json("keys", "expire", "ci", "never")["expires"] is None
    assert desk.json("keys", "expire", made["id"], "2199-01-01")["expires"] == "2199-01-01T00:00:00.000Z"
    assert desk.json("keys", "revoke", "ci")["state"] == "revoked"
    assert desk.json("keys", "list") == {"keys": []}
    assert [one["state"] for one in desk.json("keys", "list", "--all")["keys"]] == ["revoked"]
    shown = desk.json("keys", "show", made["id"])
    assert [one["action"] for one in shown["history"]] == ["revoke", "expire", "expire", "rotate", "create"]
    assert [one["action"] for one in desk.json("keys", "audit", "--limit", "2")["audit"]] == ["revoke", "expire"]


def test_whose_a_found_secret_is(desk: Desk) -> None:
    made = desk.json("keys", "create", "ci")
    assert desk.json("keys", "show", "-", stdin=made["secret"].encode())["id"] == made["id"]
    for text, words in (
        (made["secret"][:-1] + "é", "mistyped"),
        (made["secret"][:-2], "it was cut"),
        ("sk-ant-1", "no key of thriftgate's"),
    ):
        done = desk("keys", "show", "-", stdin=text.encode())
        assert (done.code, words in done.err, text in done.err) == (2, True, False)
    stranger = Desk(desk._run, desk.ledger.parent / "else")
    stranger.json("keys", "create", "x")
    assert "none of this ledger" in stranger("keys", "show", "-", stdin=made["secret"].encode()).err


def test_a_key_of_the_provider_never_comes_back(desk: Desk) -> None:
    made = desk.json("keys", "provider", "add", "main", stdin=b"sk-ant-api03-abc\n")
    assert (made["name"], made["provider"]) == ("main", "anthropic")
    outs = [desk("keys", "provider", "list").out, desk("keys", "audit").out, desk("keys", "provider", "list", "--json").out]
    assert all("sk-ant" not in out for out in outs)
    assert [one["name"] for one in desk.json("keys", "provider", "list")["provider_keys"]] == ["main"]
    desk.json("keys", "provider", "remove", "main")
    assert desk.json("keys", "provider", "list") == {"provider_keys": []}


def test_resealed_under_another_master_key_everything_goes_on(desk: Desk, tmp_path: Path) -> None:
    made = desk.json("keys", "create", "ci")
    desk.json("keys", "provider", "add", "main", stdin=b"sk-ant-api03-abc\n")
    before = Path(f"{desk.ledger}-master-key").read_text()
    assert desk.json("keys", "reseal")["provider_keys"] == 1
    after = Path(f"{desk.ledger}-master-key").read_text()
    assert before != after
    assert desk.json("keys", "show", "-", stdin=made["secret"].encode())["id"] == made["id"]
    file = tmp_path / "new"
    file.write_text("00" * 32)
    desk.json("keys", "reseal", "--new-key-file", str(file))
    assert Path(f"{desk.ledger}-master-key").read_text() != after
    file.write_text("short")
    assert desk("keys", "reseal", "--new-key-file", str(file)).code == 2
    assert desk("keys", "reseal", "--new-key-file", str(tmp_path / "none")).code == 2
    Path(f"{desk.ledger}-master-key").write_text(before)
    done = desk("keys", "create", "x")
    assert (done.code, "cannot be opened with this master key" in done.err) == (2, True)
    assert sorted(one.name for one in tmp_path.iterdir() if "master" in one.name) == ["books.db-master-key"]


def test_a_master_key_in_words(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THRIFTGATE_MASTER_KEY", "11" * 32)
    desk.json("keys", "create", "ci")
    assert not Path(f"{desk.ledger}-master-key").exists()
    assert "--new-key-file" in desk("keys", "reseal").err
    (tmp_path / "new").write_text("22" * 32)
    assert "THRIFTGATE_MASTER_KEY" in desk.json("keys", "reseal", "--new-key-file", str(tmp_path / "new"))["master_key_in"]
    assert desk("keys", "create", "x").code == 2
    monkeypatch.setenv("THRIFTGATE_MASTER_KEY", "22" * 32)
    desk.json("keys", "create", "x")


def test_for_people(desk: Desk) -> None:
    done = desk("keys", "create", "ci", "--role", "owner")
    assert "tg-" in done.out
    assert "the only time it is shown" in done.err
    assert "tg-" not in done.err
    for verb in (("list",), ("show", "ci"), ("audit",), ("expire", "ci", "1d"), ("revoke", "ci")):
        out = desk("keys", *verb)
        assert (out.code, "ci" in out.out, "tg-" in out.out) == (0, True, False), out
    desk("keys", "provider", "add", "main", stdin=b"sk-1")
    assert "main" in desk("keys", "provider", "list").out
    assert "sealed anew" in desk("keys", "reseal").out


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("create", ""), "name: must not be empty", 2),
        (("create", "x", "--scope", "all"), "--scope: known are call, batch", 2),
        (("create", "x", "--team", "none"), "there is no team 'none'", 1),
        (("create", "x", "--expires", "soon"), "--expires: 'soon' is no moment", 2),
        (("rotate", "none"), "there is no key 'none'", 1),
        (("rotate", "none", "--overlap", "x"), "is no length of time", 2),
        (("show", "none"), "there is no key 'none'", 1),
        (("provider", "add", "x"), "one word", 2),
        (("provider", "remove", "x"), "there is no key of the provider 'x'", 1),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], words: str, code: int, desk: Desk) -> None:
    desk.json("keys", "create", "there")
    done = desk("keys", *arguments)
    assert (done.code, words in done.err) == (code, True), done


def test_without_a_ledger_reading_makes_none(desk: Desk) -> None:
    for verb in (("list",), ("show", "x"), ("revoke", "x"), ("reseal",), ("audit",), ("provider", "list")):
        assert desk("keys", *verb).code == 2
    assert not desk.ledger.exists()


async def test_a_gateway_that_runs_takes_changes_up(desk: Desk, tmp_path: Path) -> None:
    with (
        running("simulate", "--port", "0") as provider,
        running("serve", "--port", "0", "--upstream", provider.url, "--ledger", str(desk.ledger)) as gateway,
    ):
        async with aiohttp.ClientSession() as client:

            async def status(key: str) -> int:
                headers = HEADERS | {"x-api-key": key}
                async with client.post(f"{gateway.url}/v1/messages", json=message(), headers=headers) as reply:
                    return reply.status

            assert await status("sk-ant-sim-1") == 200
            made = await asyncio.to_thread(desk.json, "keys", "create", "ci")

            async def shut() -> bool:
                return await status("sk-ant-sim-1") == 401

            await until(shut)
            assert await status(made["secret"]) == 503  # there is no key of the provider's yet
        assert gateway.stop() in (0, -15)
        assert "make the first: thriftgate keys create" in gateway.stderr
    with running("serve", "--port", "0", "--host", "127.0.0.1", "--ledger", str(desk.ledger)) as gateway:
        assert gateway.stop() in (0, -15)
        assert "make the first" not in gateway.stderr


def test_others_are_not_let_in_before_there_is_a_key(run: Run, tmp_path: Path) -> None:
    done = run("serve", "--host", "0.0.0.0", "--port", "0", "--ledger", str(tmp_path / "books.db"))
    assert done.code == 2
    assert 'say access.mode = "open"' in done.err
    assert msgspec.json.encode(done.out) == b'""'

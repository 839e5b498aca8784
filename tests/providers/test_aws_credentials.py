"""Whose calls are made on AWS: the order of places, what is kept, and what is said where there is nobody."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from thriftgate.core.errors import ConfigError, Unreachable
from thriftgate.providers.aws_credentials import KEPT_S, Bearer, Identity, Keyring
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.sigv4 import Credentials

NONE = Endpoint()
NOWHERE = Path("/nowhere")
BEARERS = ("AWS_BEARER_TOKEN_BEDROCK",)
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env", "AWS_SESSION_TOKEN": "t"}


def nobody(profile: str) -> Identity | None:
    del profile
    return None


def keyring(endpoint: Endpoint = NONE, environ: Mapping[str, str] | None = None, files: Path = NOWHERE) -> Keyring:
    told = {"AWS_SHARED_CREDENTIALS_FILE": str(files / "credentials"), "AWS_CONFIG_FILE": str(files / "config")}
    return Keyring(endpoint, BEARERS, environ=told | dict(environ or {}), chain=lambda profile: lambda: nobody(profile))


async def found(endpoint: Endpoint = NONE, environ: Mapping[str, str] | None = None, files: Path = NOWHERE) -> Identity:
    return await keyring(endpoint, environ, files).identity(0.0)


async def test_the_row_comes_first_then_the_environment_then_the_files(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = d%d\n"
        "[team]\naws_access_key_id = AKIATEAM\naws_secret_access_key = s\naws_session_token = tt\n"
    )
    (tmp_path / "config").write_text(
        "[profile other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = o\n[other]\nregion = x\n"
    )
    own = Endpoint(access_key_id="AKIAROW", secret_access_key="row", session_token="st")
    bearer = ENVIRONMENT | {BEARERS[0]: "abc"}
    assert await found(own, bearer, tmp_path) == Credentials("AKIAROW", "row", "st")
    assert await found(Endpoint(profile="team"), bearer, tmp_path) == Credentials("AKIATEAM", "s", "tt")
    assert await found(Endpoint(profile="other"), bearer, tmp_path) == Credentials("AKIAOTHER", "o")
    assert await found(environ=bearer, files=tmp_path) == Bearer("abc")
    assert await found(environ=ENVIRONMENT, files=tmp_path) == Credentials("AKIAENV", "env", "t")
    assert await found(environ={"AWS_PROFILE": "team"}, files=tmp_path) == Credentials("AKIATEAM", "s", "tt")
    assert await found(files=tmp_path) == Credentials("AKIADEFAULT", "d%d")


async def test_where_there_is_nobody_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no AWS credentials: set access_key_id .* nothing was sent"):
        await found()
    with pytest.raises(Unreachable, match="no AWS credentials in the profile 'team'"):
        await found(Endpoint(profile="team"), ENVIRONMENT)
    (tmp_path / "credentials").write_text("aws_access_key_id = AKIAHUSH")
    with pytest.raises(Unreachable, match="credentials: AWS's shared file cannot be read") as caught:
        await found(files=tmp_path)
    assert "HUSH" not in str(caught.value)


def test_half_a_key_is_an_error_of_the_settings() -> None:
    for endpoint in (Endpoint(access_key_id="AKIA"), Endpoint(secret_access_key="hush")):
        with pytest.raises(ConfigError, match="an AWS key is two") as caught:
            keyring(endpoint)
        assert "hush" not in str(caught.value)


async def test_what_was_found_is_kept_for_a_while_and_until_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    keys = keyring(files=tmp_path)
    seen = []
    for number, now_s in ((1, 0.0), (2, KEPT_S - 1), (3, KEPT_S), (4, KEPT_S + 1)):
        file.write_text(f"[default]\naws_access_key_id = AKIA{number}\naws_secret_access_key = s\n")
        one = await keys.identity(now_s)
        assert isinstance(one, Credentials)
        seen.append(one.access_key_id)
    assert seen == ["AKIA1", "AKIA1", "AKIA3", "AKIA3"]
    keys.refused()
    assert await keys.identity(KEPT_S + 1) == Credentials("AKIA4", "s")


async def test_the_loop_goes_on_while_they_are_looked_up_once_for_all() -> None:
    asked, going = [], threading.Event()

    def slow(profile: str) -> Identity | None:
        asked.append(profile)
        assert going.wait(10)
        return Credentials("AKIASLOW", "s")

    keys = Keyring(Endpoint(profile="p"), BEARERS, environ={}, chain=lambda profile: lambda: slow(profile))
    waiting = [asyncio.ensure_future(keys.identity(0.0)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in waiting)
    going.set()
    assert await asyncio.gather(*waiting) == [Credentials("AKIASLOW", "s")] * 5
    assert asked == ["p"]


async def test_botocore_finds_and_renews_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that names a program: botocore asks it, and asks again where what it said is about to expire."""
    count, config = tmp_path / "count", tmp_path / "config"
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    program = tmp_path / "program.py"
    program.write_text(
        f"import pathlib\nfile = pathlib.Path({str(count)!r})\nn = int(file.read_text()) + 1 if file.exists() else 1\n"
        f"file.write_text(str(n))\nprint('''{{\"Version\": 1, \"AccessKeyId\": \"AKIA''' + str(n) + "
        f'\'\'\'", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "{soon}"}}\'\'\')\n'
    )
    config.write_text(f"[profile team]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys = Keyring(Endpoint(profile="team"), BEARERS)
    first, later = await keys.identity(0.0), await keys.identity(KEPT_S)
    assert isinstance(first, Credentials)
    assert isinstance(later, Credentials)
    assert int(first.access_key_id.removeprefix("AKIA")) < int(later.access_key_id.removeprefix("AKIA"))
    with pytest.raises(Unreachable, match="could not be found"):
        await Keyring(Endpoint(profile="missing"), BEARERS).identity(0.0)
    program.write_text("raise SystemExit(1)")
    keys.refused()
    with pytest.raises(Unreachable, match=r"no AWS credentials: .*nothing was sent|cannot be renewed"):
        await keys.identity(2 * KEPT_S)


async def test_without_botocore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(Unreachable, match=r"install thriftgate\[aws\]"):
        await Keyring(Endpoint(profile="p"), BEARERS, environ={"AWS_CONFIG_FILE": "/nowhere"}).identity(0.0)


def test_nothing_secret_is_shown() -> None:
    shown = repr((Bearer("hush"), Credentials("AKIAEXAMPLE", "hush", "hush"), keyring(Endpoint(profile="p"))))
    assert "hush" not in shown
    assert msgspec.structs.asdict(Bearer("hush")) == {"key": "hush"}

"""The machine, in sickness and in health: files, certificates, disk, open files."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.certificates import certificate as made
from tests.fixtures import settings_of
from thriftgate.cli import checks_machine
from thriftgate.cli.checks_machine import certificate, disk, machine_checks, named_file, open_files, settings_file
from thriftgate.clock import SystemClock
from thriftgate.settings import load

NOW_S = SystemClock().now_s()
GIB = 1 << 30


def test_all_is_well_here(tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text("[server]\nport = 0\n", encoding="utf-8")
    found = machine_checks(settings_of(ledger={"path": str(tmp_path / "new.db")}), file, NOW_S)
    assert [check.name for check in found] == ["open files", "disk", "settings file"]
    assert all(check.ok for check in found)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("limits", "ok", "advised"),
    [((128, 4_096), True, True), ((128, 128), False, True), ((1_024, 65_536), True, False), ((-1, -1), True, False)],
)
def test_open_files(limits: tuple[int, int], ok: bool, advised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    check = open_files()
    assert (check.ok, bool(check.fix)) == (ok, advised)


def test_calls_at_once_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, resource.RLIM_INFINITY))
    assert "about 32736 calls at once" in open_files().detail


@pytest.mark.parametrize(("free", "ok"), [(5 * GIB, True), (GIB // 2, False)])
def test_disk(free: int, ok: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10 * GIB, 10 * GIB - free, free))
    check = disk(str(tmp_path / "not" / "yet" / "l.db"))
    assert (check.ok, str(tmp_path) in check.detail) == (ok, True)
    assert disk("postgresql://h/d").ok == disk(":memory:").ok == ok


@pytest.mark.parametrize(
    ("text", "mode", "ok", "words"),
    [
        ("[server]\nport = 1\n", 0o644, True, "holds no secrets"),
        ('[upstream]\napi_key = "k"\n', 0o640, True, "holds upstream.api_key"),
        ('[upstream]\napi_key = "k"\n', 0o644, False, "can be read by everybody"),
        ('[upstream]\napi_key = ""\n', 0o644, True, "holds no secrets"),
    ],
)
def test_a_settings_file_with_secrets_is_not_everybodys(text: str, mode: int, ok: bool, words: str, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    check = settings_file(file, load(file, environ={}))
    assert (check.ok, words in check.detail, check.detail == "k") == (ok, True, False)


def test_a_settings_file_that_is_gone(tmp_path: Path) -> None:
    assert not settings_file(tmp_path / "gone.toml", settings_of()).ok


def test_files_that_settings_name(tmp_path: Path) -> None:
    key, artefact = tmp_path / "master", tmp_path / "artefact"
    key.write_text("0" * 64, encoding="utf-8")
    artefact.write_text("{}", encoding="utf-8")
    key.chmod(0o600)
    settings = settings_of(access={"master_key_file": str(key)}, routing={"artefacts": [str(artefact)]})
    found = {check.name: check for check in machine_checks(settings, None, NOW_S)}
    assert found["access.master_key_file"].ok
    assert found["routing.artefacts[0]"].ok
    key.chmod(0o644)
    artefact.unlink()
    found = {check.name: check for check in machine_checks(settings, None, NOW_S)}
    assert "chmod 600" in found["access.master_key_file"].fix
    assert "No such file" in found["routing.artefacts[0]"].detail


def test_a_file_that_is_no_key_may_be_everybodys(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("x", encoding="utf-8")
    file.chmod(0o644)
    assert named_file("server.tls_client_ca", str(file)).ok


@pytest.mark.parametrize(
    ("days", "ok", "words"), [(90.0, True, ""), (10.0, True, "10 days are left"), (-1.0, False, "renew it")]
)
def test_a_certificates_days(days: float, ok: bool, words: str, tmp_path: Path) -> None:
    pair = made(tmp_path, days=days)
    check = certificate(pair.cert, pair.key, SystemClock().now_s())
    assert check.ok == ok
    assert words in check.fix
    assert bool(words) == bool(check.fix)
    assert "localhost, 127.0.0.1" in check.detail


def test_a_certificate_of_tomorrow(tmp_path: Path) -> None:
    pair = made(tmp_path, begins_days=1.0)
    assert "not in force yet" in certificate(pair.cert, pair.key, NOW_S).detail


def swapped(folder: Path) -> tuple[Path, Path]:
    return made(folder, name="one").cert, made(folder, name="two").key


def gone(folder: Path) -> tuple[Path, Path]:
    return folder / "none.crt", folder / "none.key"


def garbage(folder: Path) -> tuple[Path, Path]:
    pair = made(folder)
    pair.key.write_text("words", encoding="utf-8")
    return pair


@pytest.mark.parametrize(
    ("files", "words"),
    [(swapped, "is not the key of"), (gone, "No such file"), (garbage, "not PEM, or a key with a password")],
)
def test_certificates_that_cannot_serve(files: Callable[[Path], tuple[Path, Path]], words: str, tmp_path: Path) -> None:
    check = certificate(*files(tmp_path), NOW_S)
    assert not check.ok
    assert words in check.detail


def test_the_settings_certificate_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without the settings' own fields for it."""
    pair, settings = made(tmp_path, days=-1.0), settings_of()
    server = settings.server.model_copy()
    object.__setattr__(server, "tls_cert", str(pair.cert))
    object.__setattr__(server, "tls_key", str(pair.key))
    found = machine_checks(settings.model_copy(update={"server": server}), None, NOW_S)
    assert [check.name for check in found if not check.ok] == ["certificate"]
    assert checks_machine.names_of is not None

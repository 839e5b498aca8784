"""The unit: systemd's own tools have nothing against it, and its variables are settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.tools import DEPLOY, PATIENCE_S
from thriftgate.cli import app
from thriftgate.settings import load

FILE = DEPLOY / "systemd" / "thriftgate.service"
EXPOSURE_MAX = "20"  # of 100, as systemd-analyze counts; a unit without any hardening has 96
PROGRAM = "/usr/lib/thriftgate/bin/thriftgate"


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", FILE.read_text(encoding="utf-8"), re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, its program one that is on every machine: verify looks for it."""
    file = tmp_path / FILE.name
    file.write_text(FILE.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return file


def test_systemd_understands_it(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text(encoding="utf-8").replace("LockPersonality", "LockPersonalty"), encoding="utf-8")
    assert "LockPersonalty" in analyze("verify", str(unit)).stderr


def test_it_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE_MAX}", str(unit))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file")
    assert done.returncode == 0, done.stdout[-300:]


def test_its_command_is_one_of_ours() -> None:
    (start,) = values("ExecStart")
    program, *arguments = start.split()
    assert program == PROGRAM
    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert command.__name__ == "serve"
    assert str(bound.arguments["config"]) == "/etc/thriftgate/thriftgate.toml"
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_its_variables_are_settings_and_secrets_come_as_credentials(tmp_path: Path) -> None:
    environ = dict(word.split("=", 1) for line in values("Environment") for word in line.split())
    named = {name for name, _, _ in (one.partition(":") for one in values("LoadCredential"))}
    files = {name: value.removeprefix("%d/") for name, value in environ.items() if value.startswith("%d/")}
    assert set(files.values()) == named
    for name in named:
        (tmp_path / name).write_text("0" * 64, encoding="utf-8")
    ours = {name: value.replace("%d", str(tmp_path)) for name, value in environ.items() if name.startswith("THRIFTGATE_")}
    settings = load(environ=ours)
    assert settings.upstream.api_key.get_secret_value() == settings.access.master_key.get_secret_value() == "0" * 64
    assert settings.ledger.path.startswith("/var/lib/thriftgate/")
    assert not any("key" in value and not value.startswith("%d/") for value in environ.values())


def test_it_is_given_time_to_end() -> None:
    assert int(values("TimeoutStopSec")[0]) > load(environ={}).server.shutdown_s + 5
    assert values("KillMode") == ["mixed"], "a supervisor ends its workers itself"

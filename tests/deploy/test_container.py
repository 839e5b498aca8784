"""The container file: what it promises holds, and its steps lead to a gateway that runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.deploy.dockerfile import Place, Stage, read
from tests.deploy.tools import DEPLOY, ROOT, VARIABLE, run_tool
from tests.fixtures import PATIENCE_S
from thriftgate.settings import load

FILE = DEPLOY / "container" / "Dockerfile"
LOCKS = {name: (DEPLOY / "container" / f"{name}.lock").read_text(encoding="utf-8") for name in ("run", "build")}


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read(FILE.read_text(encoding="utf-8"))


def test_two_stages_of_one_official_base(stages: list[Stage]) -> None:
    build, image = stages
    assert (build.name, image.name) == ("build", "")
    assert build.base == image.base
    assert re.fullmatch(r"python:3\.1[1-3]-slim-\w+", image.base)


def test_every_command_is_in_exec_form(stages: list[Stage]) -> None:
    """No shell stands between SIGTERM and the gateway, and none is needed."""
    commands = [step for stage in stages for step in stage.steps if step.name in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK")]
    assert len(commands) > 8
    assert not {step.words[0] for step in commands} & {"sh", "/bin/sh", "bash"}
    image = stages[-1]
    assert image.last("ENTRYPOINT").words == ["/app/bin/python", "-m", "thriftgate"]
    assert image.last("CMD").words == ["serve"]
    assert "RUN" not in {step.name for step in image.steps}


def test_it_runs_as_nobody_in_particular(stages: list[Stage]) -> None:
    image = stages[-1]
    assert image.last("USER").text == "10001:10001"
    assert [step.text for step in image.steps if step.name == "COPY" and "chown" in step.text] == [
        "--from=build --chown=10001:10001 /build/data /data"
    ]
    assert image.last("VOLUME").text == "/data"


def test_packages_come_with_their_hashes(stages: list[Stage]) -> None:
    installs = [step.words for stage in stages for step in stage.steps if step.name == "RUN" and "install" in step.words]
    assert len(installs) == 3
    for words in installs:
        assert "--require-hashes" in words or {"--no-index", "--no-deps"} <= set(words)


def test_its_variables_are_settings(stages: list[Stage]) -> None:
    environ = stages[-1].environ()
    settings = load(environ={name: value for name, value in environ.items() if name.startswith("THRIFTGATE_")})
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8484)
    assert stages[-1].last("EXPOSE").text == str(settings.server.port)
    assert f"'127.0.0.1', {settings.server.port}" in stages[-1].last("HEALTHCHECK").words[-1]
    assert Path(settings.ledger.path).parent == Path("/data")


def pins(lock: str) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        name, _, rest = block.partition("==")
        found[name, rest.split()[0]] = set(re.findall(r"--hash=(\S+)", block))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_have_a_hash_for_everything_and_name_no_place(name: str) -> None:
    assert "://" not in LOCKS[name]
    assert all(pins(LOCKS[name]).values())


def test_the_images_lock_is_that_of_the_checkout() -> None:
    """The same versions and the same files, so that what the tests ran is what is shipped."""
    checkout = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    versions = {name: hashes for (name, _), hashes in checkout.items()}
    for lock in LOCKS.values():
        for pin, hashes in pins(lock).items():
            if pin[0] in versions:
                assert checkout.get(pin) == hashes, pin


def test_the_images_lock_has_what_a_gateway_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for extra in ("postgres", "redis", "otel") for one in extras[extra])]
    names = {name for name, _ in pins(LOCKS["run"])}
    assert {re.split(r"[\[<>=;]", one)[0] for one in wanted} <= names
    assert not names & {"pytest", "mypy", "ruff", "playwright", "scikit-learn"}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("src/thriftgate/cli/serve.py", True),
        ("deploy/container/run.lock", True),
        ("pyproject.toml", True),
        (".git/config", False),
        ("thriftgate.db", False),
        ("src/thriftgate/x.db-wal", False),
        ("src/thriftgate/__pycache__/a.pyc", False),
        ("deploy/compose/secrets/master_key", False),
        ("tests/conftest.py", False),
    ],
)
def test_only_what_the_build_needs_is_sent(path: str, sent: bool, tmp_path: Path) -> None:
    assert Place(tmp_path, ROOT, sys.executable).sent(path) == sent


def test_unknown_steps_are_not_passed_over(tmp_path: Path) -> None:
    (stage,) = read("FROM x\nONBUILD RUN x\n")
    with pytest.raises(ValueError, match="cannot follow ONBUILD"):
        Place(tmp_path, ROOT, sys.executable).follow(stage)
    (stage,) = read("FROM x\nRUN rm -rf x\n")
    with pytest.raises(ValueError, match="exec form"):
        Place(tmp_path, ROOT, sys.executable).follow(stage)


def test_hadolint_has_nothing_to_say() -> None:
    done = run_tool("hadolint", "--no-color", str(FILE))
    assert (done.returncode, done.stdout) == (0, "")


def test_its_steps_lead_to_a_gateway_that_runs(stages: list[Stage], tmp_path: Path) -> None:
    """The whole build with this machine's Python in the place of the base's; then the entry point, the health check and
    SIGTERM, with the image's variables and nothing of this machine's."""
    if VARIABLE not in os.environ:
        pytest.skip("installs from the network: `python3 tasks.py deploy`")
    place = Place(tmp_path, ROOT, sys.executable)
    place.follow(stages[0])
    image = place.environ(place.follow(stages[1]))
    assert not list((tmp_path / "app").rglob("site-packages/pip"))
    image |= {"THRIFTGATE_SERVER__HOST": "127.0.0.1", "THRIFTGATE_SERVER__PORT": "0", "THRIFTGATE_ACCESS__MODE": "required"}
    start = [place.word(word) for word in (*stages[1].last("ENTRYPOINT").words, *stages[1].last("CMD").words)]
    with subprocess.Popen(start, env=image, cwd=tmp_path / "data", stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert port
            check = [place.word(word).replace("8484", port[1]) for word in stages[1].last("HEALTHCHECK").words]
            assert subprocess.run(check, env=image, timeout=PATIENCE_S, check=False).returncode == 0
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM), "in order: uvicorn passes the signal on at the end"
            assert time.monotonic() - began < PATIENCE_S
            assert subprocess.run(check, env=image, timeout=PATIENCE_S, check=False, capture_output=True).returncode != 0
        finally:
            process.kill()
    assert (tmp_path / "data" / "thriftgate.db").exists()

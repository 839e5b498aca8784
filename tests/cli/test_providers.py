"""`thriftgate providers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fixtures import serving
from thriftgate.cli import providers_asked
from thriftgate.providers import PROVIDERS
from thriftgate.simulator import Simulator

SET = """
[[targets]]
name = "vertex-eu"
provider = "vertex"
url = "{url}/aiplatform/v1"
project = "p-1"
region = "eu"
key = "ya29.static-token"
order = 1

[[targets]]
name = "foundry"
provider = "foundry"
url = "{url}/services.ai.azure/res/anthropic"
key = "sim-azure-key"
serves = ["claude-opus-5-5"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "thriftgate.toml"


def test_without_live_nothing_is_asked(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers_asked, "transport_of", lambda *_: pytest.fail("touched the network"))
    config.write_text(SET.format(url="http://nowhere.invalid"))
    done = run("providers", "--config", str(config), "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert set(found) == {"targets", "providers"}
    assert [one["name"] for one in found["providers"]] == list(PROVIDERS)
    assert [(one["name"], one["place"]) for one in found["targets"]] == [("vertex-eu", "regional"), ("foundry", "")]
    assert "health" not in found["targets"][0]
    assert "azure-key" not in done.out


def test_live_asks_each_target_and_says_which_does_not_answer(run: Run, config: Path) -> None:
    with serving(Simulator()) as url:
        config.write_text(SET.format(url=url))
        done = run("providers", "--live", "--config", str(config), "--json")
        people = run("providers", "--live", "--config", str(config))
        config.write_text("[[targets]]" + SET.format(url=url).rpartition("[[targets]]")[2])
        fine = run("providers", "--live", "--config", str(config), "--json")
    assert (done.code, people.code, fine.code) == (1, 1, 0)
    vertex, foundry = (one["health"] for one in done.json()["targets"])
    assert (vertex["ok"], vertex["status"], vertex["kind"]) == (False, 401, "auth")
    assert vertex["detail"].startswith("UNAUTHENTICATED")
    assert (foundry["ok"], foundry["status"], foundry["asked"]) == (True, 200, "/v1/messages/count_tokens")
    assert 0 <= foundry["latency_ms"] < 20_000
    assert "static-token" not in done.out + done.err + people.out + people.err
    assert "vertex-eu: UNAUTHENTICATED" in people.err


def test_settings_that_cannot_be_used_are_exit_code_2(run: Run, config: Path) -> None:
    config.write_text('[[targets]]\nname = "x"\nprovider = "vertex"\n')
    done = run("providers", "--config", str(config), "--json")
    assert (done.code, done.out) == (2, "")
    assert "targets[0] (x): project: is missing" in done.err


def test_for_people_without_targets(run: Run, config: Path) -> None:
    config.write_text("")
    done = run("providers", "--config", str(config))
    assert done.code == 0
    assert "[upstream]" in done.err
    assert all(name in done.out for name in PROVIDERS)

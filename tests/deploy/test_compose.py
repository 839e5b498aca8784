"""The Compose file: what it names is there, it says what the specification knows, and its settings are settings."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import read
from tests.deploy.tools import DEPLOY, ROOT, run_code
from thriftgate.cli import app
from thriftgate.settings import Settings, load

FOLDER = DEPLOY / "compose"
FILE = FOLDER / "compose.yaml"
SETTINGS = tomllib.loads((FOLDER / "thriftgate.toml").read_text(encoding="utf-8"))
DEMO = dict(
    line.split("=", 1) for line in (FOLDER / "demo.env").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
)
CHECK = "import compose_spec, sys; print(len(compose_spec.PyCompose.from_yaml(sys.stdin.read()).service_names()))"


def filled(environ: Mapping[str, str]) -> str:
    """The file with its variables put in, as Compose does: `${NAME:-default}`."""
    text = FILE.read_text(encoding="utf-8")
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environ.get(found[1]) or found[2], text)


def read_compose(environ: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(filled(environ))
    return document


@pytest.fixture(params=[{}, DEMO], ids=["real", "demo"])
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read_compose(request.param)


def services(compose: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from compose["services"].items()


def test_what_is_asked_for_is_there(compose: dict[str, Any]) -> None:
    assert "${" not in yaml.safe_dump(compose)
    for name, service in services(compose):
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert {one["source"] for one in service.get("configs", ())} <= set(compose["configs"]), name
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"], name
        if "build" in service:
            context = (FOLDER / service["build"]["context"]).resolve()
            assert context == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()
    for name, config in compose["configs"].items():
        assert (FOLDER / config["file"]).is_file(), name


def test_the_demo_has_its_secrets_and_they_are_none() -> None:
    for name, secret in read_compose(DEMO)["secrets"].items():
        text = (FOLDER / secret["file"]).read_text(encoding="utf-8")
        assert re.search(r"demo|^0{63}1$", text), name
    password = (FOLDER / "demo-secrets" / "postgres_password").read_text(encoding="utf-8").strip()
    url = (FOLDER / "demo-secrets" / "ledger_url").read_text(encoding="utf-8").strip()
    postgres = read_compose(DEMO)["services"]["postgres"]["environment"]
    assert url == f"postgresql://{postgres['POSTGRES_USER']}:{password}@postgres:5432/{postgres['POSTGRES_DB']}"
    assert {secret["file"].split("/")[1] for secret in read_compose({})["secrets"].values()} == {"secrets"}
    assert "secrets/" in (FOLDER / ".gitignore").read_text(encoding="utf-8").split()


def test_everything_is_waited_for_until_it_is_well(compose: dict[str, Any]) -> None:
    for name, service in services(compose):
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", name
            there = compose["services"][needed]
            assert there.get("healthcheck") or "build" in there, needed
    for name, service in services(compose):
        check = service.get("healthcheck", {}).get("test", ["CMD"])
        assert check[0] == "CMD", f"{name}: a shell for a health check"


def test_gateways_are_hardened_and_may_end_in_order(compose: dict[str, Any]) -> None:
    gateway = compose["services"]["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in gateway["security_opt"]
    settings = Settings.model_validate(SETTINGS)
    assert int(gateway["stop_grace_period"].removesuffix("s")) > settings.server.shutdown_s + 5
    assert int(gateway["deploy"]["replicas"]) > 1


def test_only_loopback_and_only_what_has_a_face(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in services(compose)}
    assert {name for name, published in ports.items() if published} == {"gateway", "prometheus", "grafana"}
    assert all(str(port).startswith("127.0.0.1:") for published in ports.values() for port in published)
    for name in ("postgres", "valkey", "simulator"):
        assert compose["services"][name]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True


def test_the_settings_and_variables_are_ours(compose: dict[str, Any]) -> None:
    image = read((DEPLOY / "container" / "Dockerfile").read_text(encoding="utf-8"))[-1].environ()
    environ = image | compose["services"]["gateway"]["environment"]
    places = {f"/run/secrets/{name}": FOLDER / "demo-secrets" / name for name in compose["secrets"]}
    environ = {name: str(places.get(value, value)) for name, value in environ.items()}
    assert environ.pop("THRIFTGATE_CONFIG") in {one["target"] for one in compose["services"]["gateway"]["configs"]}
    del environ["THRIFTGATE_LEDGER__PATH"]  # the image's; Compose's names a file
    flags = {f"{table}.{key}": value for table, keys in SETTINGS.items() for key, value in keys.items()}
    settings = load(environ=environ, flags=flags)
    assert settings.ledger.path.startswith("postgresql://")
    assert len(settings.access.master_key.get_secret_value()) == 64
    assert settings.upstream.api_key.get_secret_value().startswith("sk-ant-sim")


def test_the_simulators_command_is_one(compose: dict[str, Any]) -> None:
    command, bound, _ = app.parse_args(compose["services"]["simulator"]["command"], exit_on_error=False, print_error=False)
    assert command.__name__ == "simulate"
    assert DEMO["THRIFTGATE_UPSTREAM_URL"] == f"http://simulator:{bound.arguments['port']}"
    assert bound.arguments["host"] == "0.0.0.0"


def test_limits_are_not_forgotten(compose: dict[str, Any]) -> None:
    command = compose["services"]["valkey"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_prometheus_finds_every_gateway_and_has_our_rules(compose: dict[str, Any]) -> None:
    scrape = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    ours = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,), (own,) = scrape["scrape_configs"], ours["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == (own["job_name"], own["metrics_path"])
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["gateway"]
    assert found["port"] == 8484
    mounted = {Path(one["target"]).name for one in compose["services"]["prometheus"]["configs"]}
    assert set(scrape["rule_files"]) <= mounted
    assert compose["configs"]["alerts"]["file"].endswith("ops/prometheus/alerts.yml")


def test_grafana_shows_our_dashboard(compose: dict[str, Any]) -> None:
    grafana = compose["services"]["grafana"]
    targets = {one["source"]: Path(one["target"]) for one in grafana["configs"]}
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert targets["dashboard"].parent == Path(provider["options"]["path"])
    assert str(targets["dashboard"]) == grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    (source,) = yaml.safe_load((FOLDER / "grafana/datasource.yaml").read_text(encoding="utf-8"))["datasources"]
    assert (source["type"], source["isDefault"], source["url"]) == ("prometheus", True, "http://prometheus:9090")
    assert compose["configs"]["dashboard"]["file"].endswith("ops/grafana/thriftgate.json")


@pytest.mark.parametrize("environ", [{}, DEMO], ids=["real", "demo"])
def test_the_specification_knows_all_of_it(environ: dict[str, str]) -> None:
    # A range of the host for one port of the container is Docker's own (go-connections, nat.ParsePortSpec): each replica
    # takes the next that is free. This reader knows neither that nor YAML's merging of keys.
    text = yaml.safe_dump(read_compose(environ)).replace("8484-8489:8484", "8484:8484")
    done = run_code(CHECK, stdin=text)
    assert (done.returncode, done.stdout.strip()) == (0, "6"), done.stderr
    broken = text.replace("read_only: true", "read_onyl: true")
    assert run_code(CHECK, stdin=broken).returncode != 0


def test_no_variable_of_this_machine_is_needed() -> None:
    names = set(re.findall(r"\$\{(\w+)", FILE.read_text(encoding="utf-8")))
    assert not names & set(os.environ)

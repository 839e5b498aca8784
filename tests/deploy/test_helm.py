"""The chart: rendered by helm itself, held against the schemas of Kubernetes, and its settings against ours."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from tests.deploy.dockerfile import read
from tests.deploy.tools import DEPLOY, ROOT, run_code, run_tool
from thriftgate.settings import Settings, load

CHART = DEPLOY / "helm" / "thriftgate"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = msgspec.json.decode((CHART / "values.schema.json").read_bytes())
IMAGE = read((DEPLOY / "container" / "Dockerfile").read_text(encoding="utf-8"))[-1]
KUBERNETES = ("1.27", "1.32", "1.37")
PLAIN: tuple[str, ...] = ()
EVERYTHING = (
    "autoscaling.enabled=true", "serviceMonitor.enabled=true", "prometheusRule.enabled=true",
    "grafanaDashboard.enabled=true",
    "tls.secretName=cert", "podLabels.team=search", "podAnnotations.note=x", "imagePullSecrets[0].name=pull",
    "nodeSelector.disk=ssd", "env[0].name=THRIFTGATE_POLICY__ON_COST_LIMIT,env[0].value=warn",
    "serviceMonitor.labels.release=prom", "networkPolicy.from[0].namespaceSelector.matchLabels.name=apps",
)  # fmt: skip
VALIDATE = """
import sys, yaml, kubernetes_validate
for document in yaml.safe_load_all(sys.stdin):
    if document and "monitoring.coreos.com" not in document["apiVersion"]:
        kubernetes_validate.validate(document, sys.argv[1], strict=True)
        print(document["kind"])
"""


def template(*values: str) -> subprocess.CompletedProcess[str]:
    sets = [part for value in values for part in ("--set", value)]
    return run_tool("helm", "template", "tg", str(CHART), "--namespace", "llm", *sets)


def rendered(*values: str) -> dict[str, dict[str, Any]]:
    """The documents by kind; two of a kind by their names too."""
    done = template(*values)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = {}
    for document in yaml.safe_load_all(done.stdout):
        kind = document["kind"]
        found[f"{kind} {document['metadata']['name']}" if kind in found else kind] = document
    return found


def container(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (found,) = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    container: dict[str, Any] = found
    return container


# --- without helm ------------------------------------------------------------------------------------------------------


def test_the_values_fit_their_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES), "each value has its default"


@pytest.mark.parametrize(
    "wrong", [{"replicas": 3}, {"accessMode": "closed"}, {"image": {"repository": ""}}, {"replicaCount": 0}]
)
def test_wrong_values_do_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(VALUES | wrong, SCHEMA)


def test_the_settings_in_the_values_are_settings() -> None:
    settings = Settings.model_validate(tomllib.loads(VALUES["settings"]))
    assert VALUES["terminationGracePeriodSeconds"] > VALUES["preStopSeconds"] + settings.server.shutdown_s + 5


def test_the_rules_and_the_dashboard_are_those_of_ops() -> None:
    for name, there in (("alerts.yml", "ops/prometheus/alerts.yml"), ("thriftgate.json", "ops/grafana/thriftgate.json")):
        assert (CHART / "files" / name).resolve() == (ROOT / there).resolve()


def templates() -> Iterator[Path]:
    yield from sorted((CHART / "templates").iterdir())


def test_every_value_that_a_template_asks_for_is_there() -> None:
    asked = {
        path for file in templates() for path in re.findall(r"\.Values\.([A-Za-z.]+)", file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 30
    for path in asked:
        at: Any = VALUES
        for part in path.rstrip(".").split("."):
            assert part in at, path
            at = at[part]


# --- with it -----------------------------------------------------------------------------------------------------------


def test_helm_has_nothing_to_complain_of() -> None:
    done = run_tool("helm", "lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_kubernetes_knows_all_of_it(values: tuple[str, ...], version: str) -> None:
    done = run_code(VALIDATE, version, stdin=template(*values).stdout)
    assert done.returncode == 0, done.stderr[-2000:]
    kinds = set(done.stdout.split())
    assert {"Deployment", "Service", "ConfigMap", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"} <= kinds
    assert ("HorizontalPodAutoscaler" in kinds) == (values is EVERYTHING)


def test_a_misspelt_field_is_found() -> None:
    text = template().stdout.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")
    assert run_code(VALIDATE, KUBERNETES[-1], stdin=text).returncode != 0


@pytest.mark.parametrize("values", [PLAIN, EVERYTHING], ids=["plain", "everything"])
def test_its_variables_and_file_are_settings(values: tuple[str, ...]) -> None:
    documents = rendered(*values)
    secrets = {
        "ledger-url": "postgresql://t@h/d",
        "master-key": "0" * 63 + "1",
        "provider-key": "k",
        "redis-url": "redis://h/0",
    }
    environ = {
        one["name"]: one.get("value") or secrets[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in container(documents)["env"]
    }
    text = next(doc["data"]["thriftgate.toml"] for doc in documents.values() if "thriftgate.toml" in doc.get("data", {}))
    Settings.model_validate(tomllib.loads(text))
    config = environ.pop("THRIFTGATE_CONFIG")
    assert config in {mount["mountPath"] for mount in container(documents)["volumeMounts"]}
    settings = load(environ=environ)
    assert settings.ledger.path == "postgresql://t@h/d"
    assert settings.server.port == container(documents)["ports"][0]["containerPort"] == 8484
    assert settings.access.mode == "required"
    assert (settings.policy.on_cost_limit == "warn") == (values is EVERYTHING)


def test_the_pod_is_that_of_the_image_and_hardened() -> None:
    documents = rendered()
    pod = documents["Deployment"]["spec"]["template"]["spec"]
    user, group = IMAGE.last("USER").text.split(":")
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    one = container(documents)
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one["args"] == IMAGE.last("CMD").words
    assert {"/data", "/tmp"} <= {mount["mountPath"] for mount in one["volumeMounts"]}
    stop = one["lifecycle"]["preStop"]["exec"]["command"]
    assert stop[0] == IMAGE.last("ENTRYPOINT").words[0], "no shell is needed"
    assert "cpu" not in one["resources"]["limits"]


def test_probes_ask_what_the_gateway_answers() -> None:
    from thriftgate.gateway.app import ROUTES

    one = container(rendered())
    assert one["readinessProbe"]["httpGet"]["path"] == "/readyz?only=local"
    assert one["livenessProbe"]["httpGet"]["path"] == one["startupProbe"]["httpGet"]["path"] == "/healthz"
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert ("GET", one[name]["httpGet"]["path"].partition("?")[0]) in ROUTES
        assert one[name]["httpGet"]["port"] == one["ports"][0]["name"]


def test_probes_with_tls_and_with_clients_certificates() -> None:
    assert container(rendered("tls.secretName=c"))["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    mutual = container(rendered("tls.secretName=c", "tls.clientCaKey=ca.crt"))
    assert mutual["livenessProbe"]["tcpSocket"] == {"port": "http"}
    assert {"name": "THRIFTGATE_SERVER__TLS_CLIENT_CA", "value": "/etc/thriftgate/tls/ca.crt"} in mutual["env"]


def test_new_settings_roll_the_pods_out() -> None:
    annotation = "thriftgate/settings-digest"
    one, other = (
        rendered(*values)["Deployment"]["spec"]["template"]["metadata"]["annotations"][annotation]
        for values in (PLAIN, ("settings=[server]",))
    )
    assert one != other


def test_selectors_find_the_pods() -> None:
    documents = rendered(*EVERYTHING)
    labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        documents["Deployment"]["spec"]["selector"]["matchLabels"],
        documents["Service"]["spec"]["selector"],
        documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels for selector in selectors)
    service = documents["Service"]["metadata"]["labels"].items()
    assert documents["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= service
    assert documents["ServiceMonitor"]["spec"]["endpoints"][0]["path"] == "/thriftgate/metrics"
    assert "replicas" not in documents["Deployment"]["spec"], "the autoscaler has the word"
    assert (
        documents["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == documents["Deployment"]["metadata"]["name"]
    )


def test_rules_and_dashboard_arrive_whole() -> None:
    documents = rendered(*EVERYTHING)
    ours = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text(encoding="utf-8"))
    assert documents["PrometheusRule"]["spec"]["groups"] == ours["groups"]
    board = next(doc["data"]["thriftgate.json"] for doc in documents.values() if "thriftgate.json" in doc.get("data", {}))
    assert board == (ROOT / "ops/grafana/thriftgate.json").read_text(encoding="utf-8")


def test_a_wrong_value_is_refused_by_helm() -> None:
    done = template("accessMode=closed")
    assert done.returncode != 0
    assert "accessMode" in done.stderr

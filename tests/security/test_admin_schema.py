"""schemathesis against the administrators' API on a real gateway: what its OpenAPI document allows, and what it forbids, is
answered as the document says, and never with a 500."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.keyed import staged
from thriftgate.gateway.admin.openapi import openapi
from thriftgate.gateway.admin.routes import ROOT, ROUTES

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES, EXAMPLES_DEEP = 3, 150
SCHEMA = schemathesis.openapi.from_dict(openapi(ROOT, ROUTES))
OPERATIONS = {found.label: found for found in (cast("Any", one).ok() for one in SCHEMA.get_all_operations())}


MADE: dict[str, dict[str, Any]] = {
    "/orgs": {"name": "one more"},
    "/teams": {"name": "a team"},
    "/users": {"name": "a user", "team": "a team"},
    "/keys": {"name": "a key", "team": "a team"},
    "/provider-keys": {"name": "theirs", "secret": "sk-ant-not-a-real-key"},
    "/budgets": {"name": "a budget", "limit_usd": "5", "scope": ["team=a team"]},
    "/limits": {"name": "a limit", "metric": "requests", "amount": "5", "per": "minute"},
    "/alert-silences": {"matchers": ["team=a team"], "why": "test"},
}
"""One of each, so that not every id is that of nothing."""


class Served(NamedTuple):
    """A gateway, the key of an owner, and the id of something of each kind."""

    url: str
    key: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("admin")
    with asyncio.Runner() as runner:
        stage = staged(folder, alerts={"on": True})
        on = runner.run(stage.__aenter__())
        key = runner.run(on.issue("owner", role="owner")).secret
        ids = {}
        for path, body in MADE.items():
            made = runner.run(on.admin("POST", path, key, body))
            assert made.status in (200, 201), made
            ids[path] = str(made.document["id"])
        yield Served(on.url, key, ids)
        runner.run(stage.__aexit__(None, None, None))


def examples() -> int:
    """Many for `tasks.py deep`."""
    return EXAMPLES_DEEP if settings().max_examples > 100 else EXAMPLES


def test_every_route_is_an_operation() -> None:
    assert len(OPERATIONS) == len(ROUTES)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_the_api_answers_as_its_document_says(label: str, mode: GenerationMode, served: Served) -> None:
    operation = OPERATIONS[label]
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
        pytest.skip("nothing in it could be wrong")
    session = requests.Session()

    @settings(
        max_examples=examples(), deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(mode), there=booleans())
    def ask(case: Any, there: bool) -> None:
        real = served.ids.get(case.path.removeprefix(ROOT).partition("/{id}")[0])
        if there and real is not None and case.path_parameters:
            case.path_parameters["id"] = real
        case.call_and_validate(served.url, session, headers={"x-api-key": served.key}, checks=CHECKS, timeout=20)

    ask()


def test_the_document_is_served(served: Served) -> None:
    got = requests.get(f"{served.url}{ROOT}/openapi.json", headers={"x-api-key": served.key}, timeout=20)
    assert got.status_code == 200
    assert msgspec.json.decode(got.content) == msgspec.json.decode(msgspec.json.encode(openapi(ROOT, ROUTES)))
    assert requests.get(f"{served.url}{ROOT}/openapi.json", timeout=20).status_code == 401

"""The whole table of the administrators' routes, with every kind of caller: nobody gets further than the table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gateway.keyed import Stage, at_tenants, now_us, staged
from thriftgate.gateway.admin.desk import RANK, Route
from thriftgate.gateway.admin.routes import ROOT, ROUTES
from thriftgate.ledger.issuing import HOST, Issuer


async def callers(stage: Stage) -> dict[str, str]:
    """A secret for every kind of caller there can be."""
    async with at_tenants(stage.ledger) as tenants:
        await Issuer(tenants, HOST, now_us).add_team("mine")
    found = {"": "", "unknown": "tg-" + "A" * 49, "plain": (await stage.issue("plain")).secret}
    for role in RANK:
        found[role] = (await stage.issue(role, role=role, team="mine")).secret
        found[f"{role}, looking"] = (await stage.issue(role, role=role, team="mine", scopes=("admin:read",))).secret
    revoked, found["revoked"] = await stage.issue("revoked", role="owner")
    async with at_tenants(stage.ledger) as tenants:
        await Issuer(tenants, HOST, now_us).revoke(revoked)
    return found


def expected(caller: str, route: Route) -> int:
    """401 or 403 for who may not; 0 for who may."""
    if caller in ("", "unknown", "revoked"):
        return 401
    if caller == "plain":
        return 403
    role, _, looking = caller.partition(", ")
    if RANK[role] < RANK[route.least]:
        return 403
    return 403 if route.method != "GET" and (looking or role == "viewer") else 0


async def test_every_route_with_every_kind_of_caller(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        secrets = await callers(stage)
        before = await counted(stage)
        asked = 0
        for route in ROUTES:
            path = ROOT + re.sub(r"\{\w+\}", "nobody", route.path)
            for caller, secret in secrets.items():
                if caller == "unknown" and asked > len(secrets) * 2:
                    continue  # wrong keys are slowed down by now, which is no 401 any more
                headers = {"x_api_key": secret} if secret else {}
                got = await stage.ask(route.method, path, {}, **headers)
                wanted = expected(caller, route)
                assert got.status == wanted or (wanted == 401 and got.status == 429) or (
                    not wanted and got.status in (200, 400, 404)
                ), (route.method, route.path, caller, got.status, got.body)  # fmt: skip
                asked += 1
        assert asked > 100
        assert await counted(stage) == before  # nothing was changed by any of it


async def counted(stage: Stage) -> int:
    async with at_tenants(stage.ledger) as tenants:
        return await tenants.version()


@pytest.mark.parametrize("route", [one for one in ROUTES if one.method != "GET"], ids=lambda one: f"{one.method} {one.path}")
async def test_a_session_changes_nothing_without_its_csrf_token(route: Route, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        _, boss = await stage.issue("boss", role="owner")
        got = await stage.ask("POST", "/thriftgate/login", {"key": boss})
        cookie, csrf = got.headers["set-cookie"].partition(";")[0], got.document["csrf"]
        path = ROOT + re.sub(r"\{\w+\}", "nobody", route.path)
        for headers in ({}, {"x_csrf_token": "x"}, {"x_csrf_token": csrf, "origin": "https://evil.example"}):
            refused = await stage.ask(route.method, path, {}, cookie=cookie, **headers)
            assert refused.error[:2] == (403, "permission_error"), refused
        fine = await stage.ask(route.method, path, {}, cookie=cookie, x_csrf_token=csrf, origin=stage.url)
        assert fine.status in (400, 404), fine  # it came as far as its body or its id

"""The table of roles, and how long a page may be."""

from __future__ import annotations

from typing import get_args

from thriftgate.gateway.admin.desk import LIMIT_MAX, RANK, Least
from thriftgate.gateway.admin.routes import ROUTES
from thriftgate.ledger.tenants import Role


def test_every_role_has_its_rank() -> None:
    assert set(get_args(Least)) == RANK.keys() == set(get_args(Role)) - {""}
    assert sorted(RANK, key=lambda role: RANK[role]) == ["viewer", "team-admin", "admin", "owner"]


def test_what_changes_something_is_for_no_viewer() -> None:
    assert LIMIT_MAX == 1000
    for route in ROUTES:
        assert route.method == "GET" or RANK[route.least] > RANK["viewer"], route

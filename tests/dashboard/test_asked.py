"""Requests for pages."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import InputError
from thriftgate.dashboard.asked import Viewer, fields_of
from thriftgate.dashboard.gates import HERE
from thriftgate.ledger.issuing import Actor


def test_fields() -> None:
    assert fields_of("a=1&b=%3Cb%3E&a=2&c=") == {"a": "2", "b": "<b>", "c": ""}
    assert fields_of("") == {}
    with pytest.raises(InputError, match="more than 100 fields"):
        fields_of("&".join("a=1" for _ in range(101)))
    with pytest.raises(InputError, match="at most 2000 characters"):
        fields_of("a=" + "x" * 2001)


@pytest.mark.parametrize(
    ("role", "writes", "csrf", "may"),
    [
        ("owner", True, "t", (True, True, "")),
        ("admin", True, "t", (True, True, "")),
        ("admin", False, "t", (False, False, "")),
        ("admin", True, "", (False, False, "")),
        ("team-admin", True, "t", (False, True, "search")),
        ("viewer", False, "t", (False, False, "")),
    ],
)
def test_who_may_change_what(role: str, writes: bool, csrf: str, may: tuple[bool, bool, str]) -> None:
    viewer = Viewer(Actor("key_1", "session", role, writes, "search"), csrf)  # type: ignore[arg-type]
    assert (viewer.is_admin, viewer.makes_keys, viewer.team) == may


def test_whoever_sits_here_only_looks() -> None:
    assert (HERE.is_admin, HERE.makes_keys, HERE.name) == (False, False, "this machine")

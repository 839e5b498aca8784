"""Every package that is installed here from the lock comes under a licence that is allowed."""

from __future__ import annotations

import pytest
from supply.licences import EXCEPTIONS, is_allowed, licence_of
from supply.lock import read_lock


def test_every_package_has_an_allowed_licence() -> None:
    found = {one.name: licence_of(one.name) for one in read_lock()}
    told = {name: licence for name, licence in found.items() if licence is not None}
    assert len(told) > 100
    wrong = {name: licence for name, licence in told.items() if not is_allowed(licence) and name not in EXCEPTIONS}
    assert not wrong


def test_every_exception_gives_its_licence_and_a_reason() -> None:
    for text in EXCEPTIONS.values():
        licence, _, why = text.partition(": ")
        assert not is_allowed(licence)
        assert why


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("Apache-2.0 WITH something", False),
        ("", False),
        ("Other/Proprietary License", False),
    ],
)
def test_what_is_allowed(expression: str, *, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


def test_a_package_that_is_not_there_tells_nothing() -> None:
    assert licence_of("no-such-package-anywhere") is None

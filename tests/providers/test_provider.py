"""The provider contract over every provider there is."""

from __future__ import annotations

import pytest

from tests.contracts.check_provider import CHECKS, URL, Check
from thriftgate.providers import PROVIDERS
from thriftgate.providers.provider import Provider


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", PROVIDERS.values(), ids=list(PROVIDERS))
def test_contract(kind: type[Provider], check: Check) -> None:
    check(kind)


def test_providers_are_listed_under_their_own_names() -> None:
    assert {name: kind(URL).name for name, kind in PROVIDERS.items()} == {name: name for name in PROVIDERS}

"""What is shipped and what is for development."""

from __future__ import annotations

from supply.closure import direct, needs, requirements
from supply.lock import read_lock


def test_packages_are_told_apart_by_who_needs_them() -> None:
    found = needs(read_lock())
    assert direct() <= found.keys()
    assert {found[name] for name in direct() - {"ctok"}} == {"required"}
    wanted = {
        "yarl": "required",  # of aiohttp
        "joserfc": "optional",  # an extra
        "opentelemetry-proto": "optional",  # of an extra
        "pytest": "excluded",
        "hypothesis": "excluded",
        "mypy": "excluded",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_requirements_of_a_package_are_those_without_extras_unless_asked() -> None:
    plain = {one.name for one in requirements("requests") or ()}
    assert "urllib3" in plain
    assert "PySocks" not in plain
    assert "PySocks" in {one.name for one in requirements("requests", ["socks"]) or ()}
    assert requirements("no-such-package-anywhere") is None

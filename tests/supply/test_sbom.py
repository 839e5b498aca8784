"""The bill of materials is CycloneDX, complete, and the same each time."""

from __future__ import annotations

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from supply.lock import read_lock
from supply.sbom import sbom

EPOCH_S = 1_795_000_000


@pytest.fixture(scope="module")
def made() -> bytes:
    return sbom(EPOCH_S)


def test_it_is_valid_by_the_schema(made: bytes) -> None:
    document = made.decode()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(document) is None
    assert validator.validate_str(document.replace('"bomFormat": "CycloneDX"', '"bomFormat": "Other"')) is not None


def test_it_holds_every_package_of_the_lock_with_its_hashes(made: bytes) -> None:
    document = msgspec.json.decode(made)
    assert document["metadata"]["timestamp"] == "2026-11-18T11:06:40Z"
    told = [
        (one["name"], one["version"], tuple(hash_["content"] for hash_ in one["hashes"])) for one in document["components"]
    ]
    assert told == [(one.name, one.version, one.hashes) for one in read_lock()]
    references = {one["bom-ref"] for one in document["components"]}
    own, *others = document["dependencies"]
    assert own["ref"].startswith("pkg:pypi/thriftgate@")
    assert any(ref.startswith("pkg:pypi/aiohttp@") for ref in own["dependsOn"])
    assert {one["ref"] for one in others} == references
    assert all(ref in references for one in document["dependencies"] for ref in one["dependsOn"])
    assert {one["scope"] for one in document["components"]} == {"required", "optional", "excluded"}


def test_the_same_commit_gives_the_same_bytes(made: bytes) -> None:
    assert sbom(EPOCH_S) == made

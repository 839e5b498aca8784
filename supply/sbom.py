"""A software bill of materials in CycloneDX 1.6 JSON, from the lock: the same lock and commit give the same bytes.

cyclonedx.org/docs/1.6/json, 2026-11. Components carry the hashes that the lock allows, their licence by their own metadata,
and whether they are shipped (`scope`); `dependencies` says who needs whom, as far as it is installed here.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
from packaging.utils import canonicalize_name

from supply.closure import Need, direct, needs, requirements
from supply.licences import licence_of
from supply.lock import LOCK, Locked, read_lock
from thriftgate import __version__

_NAMESPACE = uuid.UUID("6c1f5a0e-5b0b-5a8e-9d0a-7f2f6d3b1c44")
_SPACES = 2


def sbom(epoch_s: int) -> bytes:
    """The document; `epoch_s` is when what it describes was made, the time of the commit."""
    locked = read_lock()
    scopes = needs(locked)
    own = f"pkg:pypi/thriftgate@{__version__}"
    references = {one.name: _reference(one) for one in locked}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, hashlib.sha256(LOCK.read_bytes()).hexdigest() + __version__)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "thriftgate",
                "version": __version__,
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [_component(one, scopes[one.name]) for one in locked],
        "dependencies": [
            {"ref": own, "dependsOn": sorted(references[name] for name in direct() if name in references)},
            *({"ref": _reference(one), "dependsOn": _needed(one, references)} for one in locked),
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=_SPACES) + b"\n"


def _reference(one: Locked) -> str:
    return f"pkg:pypi/{one.name}@{one.version}"


def _component(one: Locked, scope: Need) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _reference(one),
        "name": one.name,
        "version": one.version,
        "purl": _reference(one),
        "scope": scope,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in one.hashes],
    }
    licence = licence_of(one.name)
    if licence:
        component["licenses"] = [{"expression": licence}]
    if one.marker:
        component["properties"] = [{"name": "thriftgate:marker", "value": one.marker}]
    return component


def _needed(one: Locked, references: dict[str, str]) -> list[str]:
    named = (canonicalize_name(needed.name) for needed in requirements(one.name) or ())
    return sorted({references[name] for name in named if name in references})

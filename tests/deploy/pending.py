"""Settings that deployment files name and that other parts of this release bring.

Where the settings do not know one of them yet it is left out before they are read; everything else must be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thriftgate.settings import Settings

PENDING = {
    ("ledger", "on_loss"),
    ("redis", "url"),
    ("redis", "on_loss"),
    ("server", "drain_wait_s"),
    ("server", "supervise"),
    ("server", "workers"),
    ("server", "tls_cert"),
    ("server", "tls_key"),
    ("server", "tls_client_ca"),
}


def known(document: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A settings document without what is still to come."""
    found = {}
    for table, keys in document.items():
        kept = {key: value for key, value in keys.items() if (table, key) not in PENDING or _has(table, key)}
        if kept or not any((table, key) in PENDING for key in keys):
            found[table] = kept
    return found


def known_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ours, without what is still to come."""
    found = {}
    for name, value in environ.items():
        table, _, key = name.removeprefix("THRIFTGATE_").lower().partition("__")
        if name.startswith("THRIFTGATE_") and ((table, key.removesuffix("_file")) not in PENDING or _has(table, key)):
            found[name] = value
    return found


def _has(table: str, key: str) -> bool:
    field = Settings.model_fields.get(table)
    return field is not None and key.removesuffix("_file") in getattr(field.annotation, "model_fields", {})

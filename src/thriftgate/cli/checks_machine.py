"""What `doctor` finds out about the machine: files that the settings name, certificates, disk space, open files."""

from __future__ import annotations

import os
import shutil
import stat
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import SecretStr

from thriftgate.cli.checks import Check, fine
from thriftgate.cli.open_files import most_open_files
from thriftgate.settings import Settings

GIB = 1 << 30
DISK_FREE_MIN = GIB  # a million calls take 1.2 GB (benchmarks/README.md, ledger)
FILES_MIN, FILES_ADVISED = 256, 8_192
FILES_PER_CALL = 2  # the client's connection and the provider's
CERTIFICATE_DAYS_MIN = 21
DAY_S = 86_400.0


def machine_checks(settings: Settings, file: Path | None, now_s: float) -> list[Check]:
    """All of them that concern these settings, which came from `file`."""
    checks = [open_files(), disk(settings.ledger.path)]
    if file is not None:
        checks.append(settings_file(file, settings))
    checks += [named_file(name, path) for name, path in _named(settings)]
    cert, key = (str(getattr(settings.server, name, "") or "") for name in ("tls_cert", "tls_key"))
    if cert:
        checks.append(certificate(Path(cert), Path(key) if key else None, now_s))
    return checks


def open_files() -> Check:
    """How many connections a gateway may hold that is started from here."""
    name, most = "open files", most_open_files()
    if most is None:
        return fine(name, "no limit")
    detail = f"{most} for a gateway, enough for about {max(0, most - 64) // FILES_PER_CALL} calls at once"
    fix = f"raise the hard limit: ulimit -Hn {FILES_ADVISED}, or LimitNOFILE= in the unit"
    return Check(name, most >= FILES_MIN, detail, fix if most < FILES_ADVISED else "")


def disk(path: str) -> Check:
    """Room for the books. A full disk stops every call: what cannot be booked is not sent."""
    name = "disk"
    folder = Path.cwd() if path == ":memory:" or "://" in path else Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    found = shutil.disk_usage(folder)
    detail = f"{found.free / GIB:.1f} GiB free of {found.total / GIB:.1f} at {folder}"
    ok = found.free >= DISK_FREE_MIN
    fix = "" if ok else "make room, put ledger.path elsewhere, or set ledger.keep_days so that single calls are forgotten"
    return Check(name, ok, detail, fix)


# --- files -------------------------------------------------------------------------------------------------------------


def settings_file(file: Path, settings: Settings) -> Check:
    """The file itself: one that holds secrets is its owner's alone, or its group's."""
    name = "settings file"
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Check(name, ok=False, detail=f"{file}: {type(error).__name__}", fix="make it readable, or name another")
    holds = sorted(_secrets_in(tomllib.loads(text), settings))
    if holds and mode & stat.S_IROTH:
        detail = f"{file} holds {', '.join(holds)} and can be read by everybody ({stat.filemode(mode)})"
        fix = f"chmod 640 {file}; or give secrets as variables, or THRIFTGATE_TABLE__KEY_FILE that names a file"
        return Check(name, ok=False, detail=detail, fix=fix)
    return fine(name, f"{file} ({stat.filemode(mode)}), {'holds ' + ', '.join(holds) if holds else 'holds no secrets'}")


def _secrets_in(document: dict[str, Any], settings: Settings) -> Iterator[str]:
    """The names of what is set in the file and is a secret."""
    for table, keys in document.items():
        fields = getattr(type(getattr(settings, table, None)), "model_fields", {})
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if value and key in fields and fields[key].annotation is SecretStr:
                yield f"{table}.{key}"


def _named(settings: Settings) -> list[tuple[str, str]]:
    """Files that settings name: what must be there when the gateway starts."""
    tls = ("tls_cert", "tls_key", "tls_client_ca")
    named = [(f"server.{key}", str(getattr(settings.server, key, "") or "")) for key in tls]
    named.append(("access.master_key_file", settings.access.master_key_file))
    named += [(f"routing.artefacts[{at}]", path) for at, path in enumerate(settings.routing.artefacts)]
    return [(name, path) for name, path in named if path]


_KEPT = frozenset({"server.tls_key", "access.master_key_file"})  # private keys


def named_file(name: str, path: str) -> Check:
    """A file that a setting names: there, readable, and not everybody's where it is a key."""
    try:
        with Path(path).open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
    except OSError as error:
        return Check(name, ok=False, detail=f"{path}: {error.strerror}", fix=f"correct {name}, or make the file readable")
    if name in _KEPT and os.name == "posix" and mode & stat.S_IRWXO:
        detail = f"{path} can be read by everybody ({stat.filemode(mode)})"
        return Check(name, ok=False, detail=detail, fix=f"chmod 600 {path}")
    return fine(name, f"{path} ({stat.filemode(mode)})")


# --- certificates ------------------------------------------------------------------------------------------------------


def certificate(cert: Path, key: Path | None, now_s: float) -> Check:
    """The gateway's own certificate: in force, not about to end, and the key is its own."""
    name = "certificate"
    try:
        chain = x509.load_pem_x509_certificates(cert.read_bytes())
        own = load_pem_private_key((key or cert).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not PEM, or a key with a password"
        return Check(name, ok=False, detail=f"{cert}: {why}", fix="correct server.tls_cert and server.tls_key")
    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*shape) != chain[0].public_key().public_bytes(*shape):
        return Check(name, ok=False, detail=f"{key} is not the key of {cert}", fix="put the two that belong together")
    first = min(chain, key=lambda one: one.not_valid_after_utc)
    return in_force(name, f"{cert}, {', '.join(names_of(chain[0])) or 'no names'}", first, now_s)


def in_force(name: str, detail: str, found: x509.Certificate, now_s: float) -> Check:
    """Whether a certificate holds now, and for long enough to be replaced without haste."""
    now = datetime.fromtimestamp(now_s, UTC)
    days = (found.not_valid_after_utc - now).total_seconds() / DAY_S
    when = f"{detail}, until {found.not_valid_after_utc:%Y-%m-%d}"
    if now < found.not_valid_before_utc:
        return Check(name, ok=False, detail=f"{detail}, not in force yet", fix="set the clock, or wait")
    if days <= 0:
        return Check(name, ok=False, detail=f"{when}: over", fix="renew it")
    fix = f"renew it: {days:.0f} days are left" if days < CERTIFICATE_DAYS_MIN else ""
    return fine(name, f"{when}, {days:.0f} days", fix)


def names_of(found: x509.Certificate) -> list[str]:
    """The names and addresses that a certificate is for."""
    try:
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))]

"""AWS Signature Version 4, of a request's head and the hash of its body. Pure: the time is handed in.

Rules: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, 2026-10. Tests hold it against
botocore's own signer.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import SplitResult, quote, urlsplit

from msgspec import Struct

from thriftgate.providers.transport import Headers, laid_over

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"http": 80, "https": 443}


class Credentials(Struct, frozen=True):
    """A key of AWS's. Temporary ones come with a session token. Never printed."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id[:4]}…)"


class Scope(Struct, frozen=True):
    """Where a signature holds."""

    service: str
    region: str


def signed(
    method: str, url: str, headers: Headers, body_sha256: str, *, key: Credentials, scope: Scope, now_s: float
) -> Headers:
    """These headers with the signature, the date, and the session token where there is one. All that are given are
    signed, and the host beside them, which the transport writes. `now_s` is Unix seconds; AWS takes 5 minutes off."""
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    token = ((b"x-amz-security-token", key.session_token.encode()),) if key.session_token else ()
    headers = laid_over(headers, ((b"x-amz-date", stamp.encode()), *token))
    parts = urlsplit(url)
    values: dict[str, list[str]] = {"host": [_host(parts)]}
    for name, value in headers:
        values.setdefault(name.decode("latin-1"), []).append(" ".join(value.decode("latin-1").split()))
    names = ";".join(sorted(values))
    canonical = "\n".join(
        (
            method.upper(),
            quote(_without_dots(parts.path), safe="/~"),
            _query(parts.query),
            *(f"{name}:{','.join(values[name])}" for name in sorted(values)),
            "",
            names,
            body_sha256,
        )
    )
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{place}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    derived = f"AWS4{key.secret_access_key}".encode()
    for part in (stamp[:8], scope.region, scope.service, "aws4_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.digest(derived, to_sign.encode(), "sha256").hex()
    told = f"{_ALGORITHM} Credential={key.access_key_id}/{place}, SignedHeaders={names}, Signature={signature}"
    return (*headers, (b"authorization", told.encode()))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return shown if parts.port in (None, _PORTS.get(parts.scheme)) else f"{shown}:{parts.port}"


def _query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4, and no two slashes in a row: so AWS reads a path."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")

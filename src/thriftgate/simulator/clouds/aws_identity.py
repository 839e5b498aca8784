"""Who calls AWS: a signature is recomputed from the bytes that came, with the secret that belongs to its key.

Keys of the simulated AWS: `AKIASIM<ACCOUNT>` has the secret `simulated-secret-of-AKIASIM<ACCOUNT>`; `ASIASIM<ACCOUNT>` is a
temporary one, whose session token is `simulated-token-of-ASIASIM<ACCOUNT>`. `bedrock-api-key-sim-<account>` is a Bedrock API
key. Checks: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html, 2026-10; wordings as seen in practice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from thriftgate.simulator.http import Request

SKEW_S = 300
STAMP = "%Y%m%dT%H%M%SZ"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/ ]+)/(\d{8})/([^/ ]+)/([^/ ]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
BEARER = "bedrock-api-key-sim-"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)


class AwsError(Exception):
    """An answer of AWS's that is an error: status, the name of the exception, its text."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message


def secret_of(key: str) -> str:
    """The secret that belongs to a simulated access key."""
    return f"simulated-secret-of-{key}"


def token_of(key: str) -> str:
    """The session token that belongs to a simulated temporary access key."""
    return f"simulated-token-of-{key}"


def account_of(request: Request, body: bytes, service: str, now: float) -> str:
    """The account that signed the request, or whose Bedrock API key it carries. AwsError 403 where neither is good."""
    told = request.headers.get("authorization", "")
    if told.startswith("Bearer ") or "x-api-key" in request.headers:
        key = request.headers.get("x-api-key", told.removeprefix("Bearer "))
        if not key.startswith(BEARER):
            raise AwsError(403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
        return key.removeprefix(BEARER)
    if not told:
        raise AwsError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    found = AUTHORIZATION.fullmatch(told)
    if found is None:
        raise AwsError(403, "IncompleteSignatureException", "Authorization header does not have the parts of a signature.")
    key, day, region, named, names, signature = found.groups()
    if not key.startswith(("AKIASIM", "ASIASIM")) or not _token_fits(key, request.headers):
        raise AwsError(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if named != service:
        raise AwsError(403, "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    _check_time(request.headers.get("x-amz-date", ""), day, now)
    scope = f"{day}/{region}/{named}/aws4_request"
    if not hmac.compare_digest(_signature(request, body, key, scope, names.split(";")), signature):
        raise AwsError(403, "InvalidSignatureException", MISMATCH)
    return key[7:].lower() or "aws"


def _token_fits(key: str, headers: dict[str, str]) -> bool:
    expected = token_of(key) if key.startswith("ASIA") else None
    return headers.get("x-amz-security-token") == expected


def _check_time(stamp: str, day: str, now: float) -> None:
    try:
        at = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise AwsError(403, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.") from None
    if stamp[:8] != day:
        raise AwsError(403, "InvalidSignatureException", "Date in Credential scope does not match that in the request.")
    here = datetime.fromtimestamp(now, UTC)
    if at.timestamp() < now - SKEW_S:
        earliest = datetime.fromtimestamp(now - SKEW_S, UTC)
        raise AwsError(
            403,
            "InvalidSignatureException",
            f"Signature expired: {stamp} is now earlier than {earliest:{STAMP}} ({here:{STAMP}} - 5 min.)",
        )
    if at.timestamp() > now + SKEW_S:
        latest = datetime.fromtimestamp(now + SKEW_S, UTC)
        raise AwsError(
            403,
            "InvalidSignatureException",
            f"Signature not yet current: {stamp} is still later than {latest:{STAMP}} ({here:{STAMP}} + 5 min.)",
        )


def _signature(request: Request, body: bytes, key: str, scope: str, names: list[str]) -> str:
    needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} & request.headers.keys())
    if not needed <= set(names) or names != sorted(names):
        raise AwsError(403, "InvalidSignatureException", f"'{min(needed - set(names), default='host')}' must be signed.")
    lines = [request.method, quote(request.raw_path, safe="/~-._"), "&".join(sorted(_pairs(request.raw_query)))]
    lines += [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]
    lines += ["", ";".join(names), hashlib.sha256(body).hexdigest()]
    canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    secret = ("AWS4" + secret_of(key)).encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    to_sign = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{canonical}"
    return hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()


def _pairs(query: str) -> list[str]:
    return [pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair]

"""Access tokens for Google Cloud, from what there is, the first of these:

    credentials of the target     a service account's key, or what `gcloud` keeps of a login: JSON, or the path of a file
    GOOGLE_APPLICATION_CREDENTIALS, then gcloud's application default credentials: files of the same two kinds
    google-auth, where it is installed (extra `google`): other kinds of files, workload identity, metadata servers

A service account signs a statement (RS256) and is given a token for it; a login has a refresh token. Files are read anew for
each token, so that a key that is exchanged is used at once. developers.google.com/identity/protocols/oauth2/service-account
(2026-08), cloud.google.com/docs/authentication/application-default-credentials (2026-08).
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError, Unreachable
from thriftgate.providers.token_exchange import checked_token_url, exchange
from thriftgate.providers.token_keeper import Token
from thriftgate.providers.transport import Headers, Timeouts, Transport

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
LIFE_S = 3_600
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_OWN_KINDS = ("service_account", "authorized_user")


class GoogleKey(Struct, frozen=True):
    """A file of credentials, as far as its kind has these members. Never printed."""

    type: str = ""
    project_id: str = ""
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = TOKEN_URL
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    quota_project_id: str = ""

    def __repr__(self) -> str:
        return f"GoogleKey({self.type!r})"


class KeySource:
    """Tokens for the credentials that `read` gives, each time anew. Made of what can be used now: raises ConfigError."""

    def __init__(self, read: Callable[[], str], where: str) -> None:
        self._read = read
        self._where = where
        self.project = self._asked(0.0)[0].project_id

    async def fetch(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        """See `TokenSource`."""
        try:
            key, url, form = await asyncio.to_thread(self._asked, clock.now_s())
        except ConfigError as error:
            raise Unreachable(f"{error}; the call was not sent") from None
        return await exchange(url, form, transport, timeouts, clock, headers=_with_token(key))

    def _asked(self, now_s: float) -> tuple[GoogleKey, str, dict[str, str]]:
        """The key as it is now, and how a token is asked for with it. Reads a file and signs: tens of milliseconds."""
        key = _parsed_of_own_kind(self._read(), self._where)
        return key, *token_request(key, now_s, self._where)


class AmbientSource:
    """Tokens for whatever this machine has; looked up when the first call is sent."""

    project = ""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    async def fetch(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        """See `TokenSource`."""
        path = ambient_file(self._environ)
        if path is not None:
            try:
                source = await asyncio.to_thread(_source_in, path)
            except ConfigError as error:
                raise Unreachable(f"{error}; the call was not sent") from None
            if source is not None:
                return await source.fetch(transport, timeouts, clock)
        return await asyncio.to_thread(_by_google_auth)


def google_source(credentials: str) -> KeySource | AmbientSource:
    """Where tokens come from, for the `credentials` of a target: JSON, a path, or "" for what this machine has. Raises
    ConfigError for such that cannot be used."""
    if not credentials:
        return AmbientSource()
    if credentials.lstrip().startswith("{"):
        return KeySource(lambda: credentials, "credentials")
    path = Path(credentials).expanduser()
    return KeySource(lambda: _text_of(path, "credentials"), "credentials")


def _source_in(path: Path) -> KeySource | None:
    """None where the file is of a kind that only google-auth knows."""
    text = _text_of(path, str(path))
    return KeySource(lambda: text, str(path)) if parsed_key(text, str(path)).type in _OWN_KINDS else None


def ambient_file(environ: Mapping[str, str]) -> Path | None:
    """The file with this machine's credentials, if there is one."""
    if named := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(named)
    if own := environ.get("CLOUDSDK_CONFIG"):
        folder = Path(own)
    elif base := environ.get("APPDATA" if os.name == "nt" else "HOME"):
        folder = Path(base, "gcloud") if os.name == "nt" else Path(base, ".config", "gcloud")
    else:
        return None
    file = folder / "application_default_credentials.json"
    return file if file.is_file() else None


def parsed_key(text: str, where: str) -> GoogleKey:
    """The credentials in a file's text. Raises ConfigError, which does not repeat any of it."""
    try:
        return msgspec.json.decode(text, type=GoogleKey)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ConfigError(f"{where}: holds no JSON of Google credentials; download the service account's key anew") from None


def token_request(key: GoogleKey, now_s: float, where: str) -> tuple[str, dict[str, str]]:
    """The address and the form by which a token is asked for. Raises ConfigError for a key that cannot be used."""
    url = checked_token_url(key.token_uri, f"{where}: token_uri")
    if key.type == "authorized_user":
        return url, {
            "grant_type": "refresh_token",
            "client_id": key.client_id,
            "client_secret": key.client_secret,
            "refresh_token": key.refresh_token,
        }
    return url, {"grant_type": _JWT_GRANT, "assertion": assertion(key, now_s, where)}


def assertion(key: GoogleKey, now_s: float, where: str) -> str:
    """What a service account signs: who it is, what it asks for, until when. Raises ConfigError for no RSA key."""
    try:
        private = load_pem_private_key(key.private_key.encode(), None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, RSAPrivateKey):
        raise ConfigError(f"{where}: private_key: is no RSA key in PEM; download the service account's key anew")
    header = {"typ": "JWT", "alg": "RS256"} | ({"kid": key.private_key_id} if key.private_key_id else {})
    issued_s = int(now_s)
    claims = {
        "iat": issued_s,
        "exp": issued_s + LIFE_S,
        "iss": key.client_email,
        "aud": TOKEN_URL,  # always, wherever it is sent: google/oauth2/service_account.py, google-auth 2.62
        "scope": SCOPE,
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
    return b".".join((signed, _base64url(private.sign(signed, PKCS1v15(), SHA256())))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _parsed_of_own_kind(text: str, where: str) -> GoogleKey:
    key = parsed_key(text, where)
    if key.type not in _OWN_KINDS:
        raise ConfigError(
            f"{where}: credentials of the kind {key.type[:40]!r}; they can be a service account's key, or gcloud's of a "
            "login. Others are used through GOOGLE_APPLICATION_CREDENTIALS, with google-auth (thriftgate[google])"
        )
    needed = ("client_email", "private_key") if key.type == "service_account" else ("client_id", "refresh_token")
    for name in needed:
        if not getattr(key, name):
            raise ConfigError(f"{where}: lacks {name}; download the key anew")
    return key


def _with_token(key: GoogleKey) -> Headers:
    """A login's calls count for the project that it names (cloud.google.com/docs/quotas/set-quota-project, 2026-08)."""
    quota = key.quota_project_id if key.type == "authorized_user" else ""
    return ((b"x-goog-user-project", quota.encode()),) if quota.isascii() and quota.isprintable() and quota else ()


def _text_of(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{where}: {path} cannot be read: {type(error).__name__}") from None


def _by_google_auth() -> Token:
    """A token of google-auth's whole chain. Waits for the network: to be called in a thread."""
    try:
        import google.auth  # noqa: PLC0415  an extra
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  an extra
        from google.auth.transport.requests import Request  # noqa: PLC0415  an extra
    except ImportError:
        raise Unreachable(
            "no Google credentials: set credentials or key of the target, or GOOGLE_APPLICATION_CREDENTIALS, or run "
            "`gcloud auth application-default login`, or install thriftgate[google]; the call was not sent"
        ) from None
    try:
        found, _ = google.auth.default(scopes=[SCOPE])
        found.refresh(Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        raise Unreachable(f"google-auth has no Google credentials: {type(error).__name__}; the call was not sent") from None
    expiry: datetime | None = found.expiry
    until_s = expiry.replace(tzinfo=UTC).timestamp() if expiry is not None else 0.0  # 0: for this call only
    return Token(str(found.token), until_s)

"""Login through an identity provider: OpenID Connect, authorization code with PKCE.

    discovery   ISSUER/.well-known/openid-configuration; its issuer must be the one that was set, letter by letter
    state       drawn for each login, good once, for ten minutes, and only in the browser that began it
    nonce       drawn for each login, and asked for in the ID token
    PKCE        S256; the code is of no use to whoever sees it on its way
    ID token    signed with a key of the provider's (never `none`, never a shared secret), for this client, not expired

openid.net/specs/openid-connect-core-1_0 sections 3.1.2, 3.1.3.7; RFC 7636; RFC 9700 section 2.1; 2026-11.
"""

from __future__ import annotations

import ipaddress
import secrets
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError, NotAllowed, ThriftgateError, Unauthenticated, UpstreamError
from thriftgate.core.generations import Generations
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport
from thriftgate.settings import OidcSettings

PENDING_MAX = 1000
PENDING_S = 600.0
LEEWAY_S = 60
METADATA_S = 3600.0
KEYS_AGAIN_S = 10.0  # between two looks for a signing key that is not known
ANSWER_BYTES_MAX = 1024 * 1024
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_TIMEOUTS = Timeouts(5.0, 10.0)
_WRONG = "the identity provider's answer could not be verified; log in again"


class ProviderTrouble(ThriftgateError):
    """The identity provider cannot be reached, or answers with what it should not."""

    status_hint = 502
    label = "oidc"


class Pending(Struct, frozen=True):
    """A login that was begun: what must come back, and the browser that it must come back from."""

    nonce: str
    verifier: str
    browser: str
    begun_s: float


class _Metadata(Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(Struct, frozen=True):
    id_token: str


class Oidc:
    """One client of one identity provider. Raises ConfigError where the settings cannot work."""

    def __init__(self, settings: OidcSettings, transport: Transport, clock: Clock) -> None:
        check_settings(settings)
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._pending: Generations[str, Pending] = Generations(PENDING_MAX)
        self._metadata: _Metadata | None = None
        self._metadata_s = 0.0
        self._keys: Any = None
        self._keys_s = float("-inf")

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and what it must hold on to until it comes back."""
        metadata = await self._known()
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        self._pending[state] = Pending(nonce, verifier, browser, self._clock.monotonic_s())
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.client_id,
                "redirect_uri": self._settings.redirect_url,
                "scope": " ".join(self._settings.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{query}", browser

    async def end(self, code: str, state: str, browser: str) -> dict[str, Any]:
        """The claims of whoever came back. Raises Unauthenticated where anything does not fit, ProviderTrouble."""
        pending = self._pending.get(state)
        self._pending.discard(state)
        if pending is None or self._clock.monotonic_s() - pending.begun_s > PENDING_S:
            raise Unauthenticated("this login was not begun here, or too long ago; log in again")
        if not secrets.compare_digest(pending.browser.encode(), browser.encode()):
            raise Unauthenticated("this login was begun in another browser; log in again")
        if not code:
            raise Unauthenticated("the identity provider has refused the login")
        token = await self._exchanged(code, pending.verifier)
        return await self._verified(token, pending.nonce)

    async def _exchanged(self, code: str, verifier: str) -> str:
        metadata, own = await self._known(), self._settings
        secret = own.client_secret.get_secret_value()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": own.redirect_url,
            "code_verifier": verifier,
        }
        headers: Headers = ((b"content-type", b"application/x-www-form-urlencoded"),)
        if secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote(own.client_id, safe='')}:{quote(secret, safe='')}"
            headers = (*headers, (b"authorization", b"Basic " + b64encode(pair.encode())))
        else:
            fields |= {"client_id": own.client_id} | ({"client_secret": secret} if secret else {})
        status, body = await self._asked("POST", metadata.token_endpoint, headers, urlencode(fields).encode())
        if status in (400, 401):
            log.warning("login code refused by the identity provider", status=status)
            raise Unauthenticated(_WRONG)
        tokens: _Tokens = _read(status, body, _Tokens, "token endpoint")
        return tokens.id_token

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token, if it is what it must be. Raises Unauthenticated."""
        from joserfc import jwt  # noqa: PLC0415  an extra
        from joserfc.errors import JoseError  # noqa: PLC0415  an extra

        for attempt in (False, True):
            keys = await self._signing_keys(again=attempt)
            try:
                found = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
                break
            except (JoseError, ValueError) as error:
                if attempt or not _may_be_new_key(error):
                    log.warning("ID token refused", error=type(error).__name__)
                    raise Unauthenticated(_WRONG) from None
        claims = dict(found.claims)
        why = self._wrong(claims, nonce)
        if why:
            log.warning("ID token refused", error=why)
            raise Unauthenticated(_WRONG)
        return claims

    def _wrong(self, claims: dict[str, Any], nonce: str) -> str:
        """What of the claims must not be; "" where all is well (core section 3.1.3.7)."""
        now_s, client = self._clock.now_s(), self._settings.client_id
        audience, named = claims.get("aud"), claims.get("nonce")
        audiences = audience if isinstance(audience, list) else [audience]
        expires, issued = claims.get("exp"), claims.get("iat")
        fits = {
            "issuer": self._metadata is not None and claims.get("iss") == self._metadata.issuer,
            "audience": client in audiences,
            "authorized party": claims.get("azp", client if len(audiences) == 1 else None) == client,
            "expired": isinstance(expires, int | float) and now_s <= expires + LEEWAY_S,
            "issued in the future": isinstance(issued, int | float) and issued <= now_s + LEEWAY_S,
            "nonce": isinstance(named, str) and secrets.compare_digest(named.encode(), nonce.encode()),
            "subject": isinstance(claims.get("sub"), str) and bool(claims["sub"]),
        }
        return next((name for name, fine in fits.items() if not fine), "")

    async def _known(self) -> _Metadata:
        now_s = self._clock.monotonic_s()
        if self._metadata is not None and now_s - self._metadata_s < METADATA_S:
            return self._metadata
        issuer = self._settings.issuer
        status, body = await self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        found: _Metadata = _read(status, body, _Metadata, "configuration")
        if found.issuer != issuer:
            raise ProviderTrouble(
                f"the identity provider calls itself {found.issuer[:200]!r}, and access.oidc.issuer does not"
            )
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            if not _is_safe(url):
                raise ProviderTrouble("the identity provider names an endpoint that is not https")
        self._metadata, self._metadata_s = found, now_s
        return found

    async def _signing_keys(self, *, again: bool) -> Any:
        """The keys that ID tokens are signed with; fetched anew where one is not known, but not for each that says so."""
        from joserfc.errors import JoseError  # noqa: PLC0415  an extra
        from joserfc.jwk import KeySet  # noqa: PLC0415  an extra

        now_s = self._clock.monotonic_s()
        if self._keys is not None and not (again and now_s - self._keys_s >= KEYS_AGAIN_S):
            return self._keys
        status, body = await self._asked("GET", (await self._known()).jwks_uri)
        document = _read(status, body, dict[str, Any], "key set")
        try:
            self._keys = KeySet.import_key_set(document)
        except (JoseError, ValueError, KeyError, TypeError):
            raise ProviderTrouble("the identity provider's key set cannot be read") from None
        self._keys_s = now_s
        return self._keys

    async def _asked(self, method: str, url: str, headers: Headers = (), body: bytes = b"") -> tuple[int, bytes]:
        outgoing = Outgoing(
            method, url, ((b"accept", b"application/json"), (b"accept-encoding", b"identity"), *headers), body
        )
        try:
            incoming = await self._transport.send(outgoing, _TIMEOUTS)
            try:
                pieces, size = [], 0
                async for piece in incoming.chunks():
                    pieces.append(piece)
                    size += len(piece)
                    if size > ANSWER_BYTES_MAX:
                        raise ProviderTrouble("the identity provider's answer is too long")
                return incoming.status, b"".join(pieces)
            finally:
                incoming.close()
        except UpstreamError as error:
            raise ProviderTrouble(f"the identity provider cannot be reached: {error}") from None


def check_settings(settings: OidcSettings) -> None:
    """Raises ConfigError for what cannot work, and where the extra is not installed."""
    for name, url in (("issuer", settings.issuer), ("redirect_url", settings.redirect_url)):
        if not _is_safe(url):
            raise ConfigError(f"access.oidc.{name}: {url!r} is no https:// URL")
    if not settings.client_id:
        raise ConfigError("access.oidc.client_id: must be set, as the identity provider names this gateway")
    if "openid" not in settings.scopes:
        raise ConfigError("access.oidc.scopes: must hold openid")
    for at, row in enumerate(settings.roles):
        if row.role == "team-admin" and not row.team:
            raise ConfigError(f"access.oidc.roles[{at}].team: a team-admin must have a team")
    try:
        import joserfc  # noqa: F401, PLC0415  an extra
    except ImportError:
        raise ConfigError("access.oidc: needs the extra `oidc`: pip install 'thriftgate[oidc]'") from None


def claim_of(claims: dict[str, Any], path: str) -> tuple[str, ...]:
    """The values of a claim; dots lead into objects, unless the whole name is a claim's."""
    found: Any = claims
    if path in claims:
        found = claims[path]
    else:
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return tuple(value for value in values if isinstance(value, str))


def email_of(claims: dict[str, Any]) -> str:
    """The address that the identity provider has verified; "" for none."""
    email = claims.get("email")
    return email.lower() if isinstance(email, str) and claims.get("email_verified") is True else ""


def no_role(claims: dict[str, Any]) -> NotAllowed:
    """Known to the identity provider, and not here."""
    return NotAllowed(
        f"{email_of(claims) or 'this login'} has no role here; an administrator adds a user with this address "
        "(thriftgate teams user add), or a row of [[access.oidc.roles]]"
    )


def _may_be_new_key(error: Exception) -> bool:
    """Whether the signing keys may have changed since they were fetched."""
    return type(error).__name__ in ("InvalidKeyIdError", "BadSignatureError", "ValueError")


def _is_safe(url: str) -> bool:
    """https, or http to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(status: int, body: bytes, kind: Any, what: str) -> Any:
    if status != 200:
        raise ProviderTrouble(f"the identity provider's {what} answers {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise ProviderTrouble(f"the identity provider's {what} answers what cannot be read") from None

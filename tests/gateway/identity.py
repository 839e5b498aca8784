"""A small OpenID provider on a loopback socket: real keys, real signatures, and whatever mistakes a test asks for."""

from __future__ import annotations

import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "thriftgate-dashboard", "not a very good secret"


def signing_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": name})


class IdentityProvider:
    """An ASGI app. `claims` is who logs in; `forge` may change the claims and `sign` make the token of them."""

    def __init__(self) -> None:
        self.url = ""
        self.key = signing_key("one")
        self.published = [self.key]
        self.claims: dict[str, Any] = {"sub": "u1", "email": "ann@x.org", "email_verified": True, "groups": ["staff"]}
        self.forge: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.metadata: dict[str, Any] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        """A token of the algorithm `none`."""
        head = msgspec.json.encode({"alg": "none", "kid": self.key.kid})
        return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (head, msgspec.json.encode(claims), b""))

    def by_secret(self, claims: dict[str, Any]) -> str:
        """A token signed with what everybody can read: the public key, taken for a shared secret."""
        public = OctKey.import_key(msgspec.json.encode(self.key.as_dict(private=False)))
        return jwt.encode({"alg": "HS256", "kid": self.key.kid}, claims, public, algorithms=["HS256"])

    def by_stranger(self, claims: dict[str, Any]) -> str:
        """A token signed with another key that bears the same name."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, signing_key(self.key.kid or ""))

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.key = signing_key(secrets.token_hex(4))
        self.published.append(self.key)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(scope["path"])
        status, answer, more = self._answer(scope, body, headers)
        data = msgspec.json.encode(answer)
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": data})

    def _answer(self, scope: Any, body: bytes, headers: dict[str, str]) -> tuple[int, Any, list[tuple[bytes, bytes]]]:
        if scope["path"] == "/.well-known/openid-configuration":
            found = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
            return 200, found | self.metadata, []
        if scope["path"] == "/keys":
            return 200, {"keys": [one.as_dict(private=False) for one in self.published]}, []
        if scope["path"] == "/authorize":
            asked = dict(parse_qsl(scope["query_string"].decode()))
            if asked["client_id"] != CLIENT or asked["response_type"] != "code" or asked["code_challenge_method"] != "S256":
                return 400, {"error": "invalid_request"}, []
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            return 302, {}, [(b"location", back.encode())]
        if scope["path"] == "/token":
            return self._token(dict(parse_qsl(body.decode())), headers)
        return 404, {}, []

    def _token(self, fields: dict[str, str], headers: dict[str, str]) -> tuple[int, Any, list[tuple[bytes, bytes]]]:
        """Takes each code once, from the client alone, with the verifier of its challenge (RFC 7636)."""
        name, _, secret = b64decode(headers.get("authorization", "Basic Og==")[6:]).decode().partition(":")
        known = (unquote(name), unquote(secret)) == (CLIENT, SECRET)
        known = known or (fields.get("client_id"), fields.get("client_secret")) == (CLIENT, SECRET)
        asked = self._codes.pop(fields.get("code", ""), None)
        if not known or asked is None or fields["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}, []
        challenge = urlsafe_b64encode(sha256(fields["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}, []
        now_s = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now_s, "exp": now_s + 300, "nonce": asked["nonce"], **self.claims}
        return 200, {"id_token": self.sign(self.forge(claims)), "access_token": "x", "token_type": "Bearer"}, []


async def _lifespan(receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})

"""The signer against botocore's own, over generated requests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Theirs
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.providers.sigv4 import Credentials, Scope, signed
from thriftgate.providers.transport import Headers

NOW_S = 1_795_262_400.0
KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = Scope("bedrock", "us-east-1")

segments = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#"), max_size=12)
models = st.sampled_from(
    [
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-opus-5",
        "arn:aws:bedrock:us-east-1:1:x/y",
        "a%3Ab%2Fc",
        "..",
    ]
)
paths = st.lists(st.one_of(segments, models), max_size=5).map(lambda parts: "/" + "/".join(parts))
queries = st.lists(st.tuples(segments, segments), max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}".replace("&", "") for name, value in pairs)
)
names = st.from_regex(r"x-[a-z]{1,8}(-[a-z]{1,4})?", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
headers = st.dictionaries(st.one_of(names, st.sampled_from(["content-type", "anthropic-workspace-id"])), values, max_size=5)


def theirs(
    method: str, url: str, told: Headers, body: bytes, key: Credentials, scope: Scope, now_s: float
) -> dict[str, str]:
    request: Any = AWSRequest(method=method, url=url, headers={k.decode(): v.decode() for k, v in told}, data=body)
    moment = datetime.fromtimestamp(now_s, UTC)
    with patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        owner = Theirs(key.access_key_id, key.secret_access_key, key.session_token or None)
        SigV4Auth(owner, scope.service, scope.region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def ours(method: str, url: str, told: Headers, body: bytes, key: Credentials, scope: Scope, now_s: float) -> dict[str, str]:
    found = signed(method, url, told, hashlib.sha256(body).hexdigest(), key=key, scope=scope, now_s=now_s)
    return {name.decode(): value.decode() for name, value in found}


@given(
    st.sampled_from(["GET", "POST", "put"]),
    st.sampled_from(
        [
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            "http://127.0.0.1:8485",
            "https://H.Example:443",
            "http://[::1]:8080",
        ]
    ),
    paths,
    queries,
    headers,
    st.binary(max_size=50),
    st.sampled_from(["", "a session token/with+signs=="]),
    st.sampled_from(["bedrock", "bedrock-mantle", "aws-external-anthropic"]),
    st.integers(0, 4_000_000_000),
)
def test_every_request_is_signed_as_botocore_signs_it(
    method: str, host: str, path: str, query: str, told: dict[str, str], body: bytes, token: str, service: str, now_s: int
) -> None:
    url = f"{host}{path}{'?' + query if query else ''}"
    key = Credentials("AKIDEXAMPLE", "se/cr+et", token)
    lines = tuple((name.encode(), value.encode()) for name, value in told.items())
    asked = (method, url, lines, body, key, Scope(service, "eu-central-1"), float(now_s))
    assert ours(*asked) == theirs(*asked)


def test_what_was_signed_before_is_signed_anew() -> None:
    first = signed(
        "POST", "https://h/x", ((b"x-amz-date", b"old"), (b"x-a", b"b")), "0" * 64, key=KEY, scope=SCOPE, now_s=NOW_S
    )
    again = signed("POST", "https://h/x", ((b"x-a", b"b"),), "0" * 64, key=KEY, scope=SCOPE, now_s=NOW_S)
    assert first == again
    assert first != signed("POST", "https://h/x", ((b"x-a", b"b"),), "0" * 64, key=KEY, scope=SCOPE, now_s=NOW_S + 1)


def test_a_key_is_never_printed() -> None:
    shown = repr(Credentials("AKIDEXAMPLE", "the secret", "the token"))
    assert "secret" not in shown
    assert "token" not in shown
    assert "EXAMPLE" not in shown

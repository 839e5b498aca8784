"""The signer against botocore's own, over generated requests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest.mock import patch

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Theirs
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.providers.sigv4 import Credentials, Scope, signed

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


class Asked(NamedTuple):
    method: str
    host: str
    path: str
    query: str
    told: dict[str, str]
    body: bytes
    token: str
    service: str
    now_s: int

    @property
    def url(self) -> str:
        return f"{self.host}{self.path}{'?' + self.query if self.query else ''}"


asked = st.builds(
    Asked,
    st.sampled_from(["GET", "POST", "put"]),
    st.sampled_from(
        [
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            "http://127.0.0.1:8485",
            "https://H.Example:443",
            "http://[::1]:80",
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


def theirs(one: Asked) -> dict[str, str]:
    request: Any = AWSRequest(method=one.method, url=one.url, headers=dict(one.told), data=one.body)
    moment = datetime.fromtimestamp(one.now_s, UTC)
    with patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        SigV4Auth(Theirs("AKIDEXAMPLE", "se/cr+et", one.token or None), one.service, "eu-central-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def ours(one: Asked) -> dict[str, str]:
    told = tuple((name.encode(), value.encode()) for name, value in one.told.items())
    digest = hashlib.sha256(one.body).hexdigest()
    key, scope = Credentials("AKIDEXAMPLE", "se/cr+et", one.token), Scope(one.service, "eu-central-1")
    found = signed(one.method, one.url, told, digest, key=key, scope=scope, now_s=float(one.now_s))
    return {name.decode(): value.decode() for name, value in found}


@given(asked)
def test_every_request_is_signed_as_botocore_signs_it(one: Asked) -> None:
    assert ours(one) == theirs(one)


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

"""The simulated AWS checks signatures: botocore's are good, and nothing may be changed behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from thriftgate.simulator.clouds.aws_identity import BEARER, AwsError, account_of, secret_of, token_of
from thriftgate.simulator.http import Request

NOW = 1_795_262_400.0
PATH = "/bedrock-runtime/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke"
BODY = b'{"max_tokens":1}'


async def receive() -> Any:
    raise AssertionError("the body is at hand")


def asked(
    key: str = "AKIASIMACME",
    *,
    secret: str = "",
    token: str = "",
    at: float = NOW,
    service: str = "bedrock",
    query: str = "b&a",
) -> Request:
    """A request as botocore signs it and a server reads it."""
    url = f"http://127.0.0.1:8485{PATH}{'?' + query if query else ''}"
    raw: Any = AWSRequest("POST", url, headers={"content-type": "application/json", "x-odd": " a  b "}, data=BODY)
    with patch.object(botocore.auth, "get_current_datetime", lambda: datetime.fromtimestamp(at, UTC)):
        SigV4Auth(Credentials(key, secret or secret_of(key), token or None), service, "us-east-1").add_auth(raw)
    headers = {name.lower(): value for name, value in raw.headers.items()} | {"host": "127.0.0.1:8485"}
    return Request("POST", PATH, {}, headers, receive, PATH, query)


def refused(request: Request, body: bytes = BODY, now: float = NOW) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        account_of(request, body, "bedrock", now)
    assert caught.value.status == 403
    return caught.value.name, caught.value.message


def test_what_botocore_signs_is_good_for_five_minutes() -> None:
    assert account_of(asked(), BODY, "bedrock", NOW) == "acme"
    assert account_of(asked("ASIASIMX", token=token_of("ASIASIMX")), BODY, "bedrock", NOW) == "x"
    assert account_of(asked("AKIASIM", query=""), BODY, "bedrock", NOW) == "aws"
    for at in (NOW - 299, NOW + 299):
        assert account_of(asked(at=at), BODY, "bedrock", NOW) == "acme"
    name, message = refused(asked(at=NOW - 301))
    assert (name, message[:18]) == ("InvalidSignatureException", "Signature expired:")
    assert "is still later than" in refused(asked(at=NOW + 301))[1]


@pytest.mark.parametrize("member", ["body", "path", "query", "method", "header", "secret"])
def test_what_was_changed_is_noticed(member: str) -> None:
    request, body = asked(secret="another" if member == "secret" else ""), BODY
    if member == "body":
        body = BODY.replace(b"1", b"2")
    elif member == "path":
        request.raw_path = PATH.replace("haiku-4-5", "opus-5-5")
    elif member == "query":
        request.raw_query = "a&b=3"
    elif member == "method":
        request.method = "PUT"
    elif member == "header":
        request.headers["content-type"] = "text/plain"
    name, message = refused(request, body)
    assert (name, message[:46]) == ("InvalidSignatureException", "The request signature we calculated does not m")


def test_who_is_nobody_is_told_so() -> None:
    assert refused(asked("AKIAOTHER", secret="s"))[0] == "UnrecognizedClientException"
    assert refused(asked("ASIASIMX"))[0] == "UnrecognizedClientException"
    assert refused(asked("AKIASIMX", token="t"))[0] == "UnrecognizedClientException"
    assert "correct service: 'bedrock'" in refused(asked(service="bedrock-mantle"))[1]
    assert refused(Request("POST", PATH, {}, {}, receive))[0] == "MissingAuthenticationTokenException"
    half = Request("POST", PATH, {}, {"authorization": "AWS4-HMAC-SHA256 x"}, receive)
    assert refused(half)[0] == "IncompleteSignatureException"
    for date, why in (("", "ISO-8601"), ("20200101T000000Z", "Date in Credential scope")):
        request = asked()
        request.headers["x-amz-date"] = date
        assert why in refused(request)[1]
    request = asked()
    request.headers["authorization"] = request.headers["authorization"].replace("x-amz-date;", "")
    assert "must be signed" in refused(request)[1]


def test_bedrock_keys_name_their_account() -> None:
    for headers in ({"authorization": f"Bearer {BEARER}acme"}, {"x-api-key": f"{BEARER}acme"}):
        assert account_of(Request("POST", PATH, {}, headers, receive), b"", "bedrock", NOW) == "acme"
    assert refused(Request("POST", PATH, {}, {"authorization": "Bearer x"}, receive))[0] == "AccessDeniedException"

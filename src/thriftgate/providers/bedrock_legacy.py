"""Claude on Amazon Bedrock by InvokeModel: the model in the path, the version and the betas in the body, answers as AWS
event streams.

Sources: platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy, 2026-10, and
docs.aws.amazon.com/bedrock/latest/APIReference (InvokeModel, InvokeModelWithResponseStream, CountTokens), 2026-11; the
official SDK's lib/bedrock/_client.py. Caches as explicit marks say; a mark at the top of a request is a 400.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Edit, apply
from thriftgate.providers.aws_endpoint import aws_endpoint
from thriftgate.providers.bedrock import (
    BETAS_ON_BEDROCK,
    NOT_ON_BEDROCK,
    TOOLS_NOT_ON_BEDROCK,
    USER_PROFILE,
    with_user_profile,
)
from thriftgate.providers.bedrock_names import GLOBAL, area_of, named_alike, prefix_in, row_of
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, passed_on
from thriftgate.providers.provider import MIB, Traits, betas_heard
from thriftgate.providers.transport import FileBody, Headers, Outgoing, laid_over

VERSION = b'"bedrock-2023-05-31"'
_MOVED = CREDENTIALS | {b"anthropic-version", b"anthropic-beta", USER_PROFILE, b"accept"}
_NOT_IN_BODY = ("model", "stream", "service_tier")  # the tier is a header of AWS's, with other values


class _Members(Struct):
    model: str = ""
    stream: bool | None = None


class _Counted(Struct):
    tokens: int = msgspec.field(name="inputTokens")


_MEMBERS = msgspec.json.Decoder(_Members)
_COUNTED = msgspec.json.Decoder(_Counted)


class BedrockLegacy:
    """Signed, or with a Bedrock API key (in the environment: AWS_BEARER_TOKEN_BEDROCK).

    All models of a target are of one price: by the list, as `global.` profiles and models before 4.5 are, or with the
    surcharge of a region. The rest follow the prefix of those that `models` names; without any they are `global.`.
    """

    name = "bedrock_legacy"
    count_path = "/v1/messages/count_tokens"
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy, 2026-10",
        automatic=False,
        betas=False,
        betas_heard=BETAS_ON_BEDROCK,
        refuses=NOT_ON_BEDROCK,
        tools_refused=TOOLS_NOT_ON_BEDROCK,
        body_bytes_max=20 * MIB,
    )

    def __init__(self, endpoint: Endpoint) -> None:
        self._aws = aws_endpoint(
            endpoint,
            service="bedrock",
            url="https://bedrock-runtime.{region}.amazonaws.com",
            bearers=("AWS_BEARER_TOKEN_BEDROCK",),
        )
        self.url = self._aws.url
        self._models: Mapping[str, str] = endpoint.models
        named = named_alike(endpoint.models)
        self.place = "regional" if named is not None and named.dearer else ""
        self._area = area_of(endpoint.region)
        self._prefix = GLOBAL if named is None else self._area if named.prefix is None else named.prefix

    def model_id(self, model: str) -> str:
        """The id of the model's inference profile."""
        if model in self._models:
            return self._models[model]
        row = row_of(model)
        if row is None or (self.place and not row.surcharge):
            return ""
        prefix = self._prefix if self.place or row.everywhere else self._area
        return f"{prefix}.{row.base}" if prefix else row.base

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """An InvokeModel of the same call. The version in the body is the one that AWS has; the Messages API's later one
        only refuses more. A query (`beta=true`) and `service_tier` say nothing there."""
        kept = laid_over(passed_on(headers, _MOVED), ((b"content-type", b"application/json"), *self._aws.own))
        finish = self._aws.finish
        if not isinstance(body, bytes):
            return Outgoing(method, f"{self.url}{path}", kept, body, finish)
        try:
            told = _MEMBERS.decode(body)
            sent = self._moved(body, headers)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InputError):
            return Outgoing(method, f"{self.url}{path}", kept, body, finish)  # AWS says what is wrong with it
        name = self.model_id(told.model) or told.model
        if path == self.count_path:
            # Profiles are not taken here: "The provided model doesn't support counting tokens", as seen in practice.
            where, sent = _counting(name), b'{"input":{"invokeModel":{"body":"%b"}}}' % base64.b64encode(sent)
            return Outgoing(method, f"{self.url}{where}", kept, sent, replace(finish, retold=_retold))
        verb = "invoke-with-response-stream" if told.stream else "invoke"
        return Outgoing(method, f"{self.url}/model/{quote(name, safe='')}/{verb}", kept, sent, finish)

    def _moved(self, body: bytes, headers: Headers) -> bytes:
        """The body as InvokeModel wants it; all else keeps its bytes. Raises InputError where it cannot be edited."""
        edits = [*(Edit((name,), None) for name in _NOT_IN_BODY), Edit(("anthropic_version",), VERSION)]
        if betas := betas_heard(headers, self.traits):
            edits.append(Edit(("anthropic_beta",), msgspec.json.encode(betas)))
        moved = with_user_profile(apply(body, edits), headers)
        assert isinstance(moved, bytes)
        return moved


def _counting(name: str) -> str:
    prefix = prefix_in(name)
    plain = name.removeprefix(f"{prefix}.") if prefix else name
    return f"/model/{quote(plain, safe='')}/count-tokens"


def _retold(body: bytes) -> bytes:
    """The count as the Messages API tells it."""
    return b'{"input_tokens":%d}' % _COUNTED.decode(body).tokens

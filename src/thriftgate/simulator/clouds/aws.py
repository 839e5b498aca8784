"""Claude on AWS, three ways: Claude Platform on AWS, Bedrock's Messages endpoint, and Bedrock's InvokeModel.

Sources: platform.claude.com/docs/en/build-with-claude/{claude-platform-on-aws,claude-in-amazon-bedrock,
claude-on-amazon-bedrock-legacy}, docs.aws.amazon.com/bedrock/latest/APIReference and userguide/inference-messages-api.html,
2026-10. Wordings of AWS's errors are as seen in practice; which of Anthropic's errors becomes which of AWS's is assumed
where the reference of InvokeModel does not say.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from thriftgate.simulator import http
from thriftgate.simulator.clouds.aws_frames import Framed
from thriftgate.simulator.clouds.aws_identity import AwsError, account_of
from thriftgate.simulator.delivery import JSON, Delivery
from thriftgate.simulator.errors import ApiError, invalid, not_found
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import Caller, authenticate
from thriftgate.simulator.validate import check_version

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

BYTES_MAX = 20 * 1024 * 1024
"""docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html, 2026-11"""
VERSION = "bedrock-2023-05-31"
OPERATION = re.compile(r"/bedrock-runtime/model/([^/]+)/(invoke|invoke-with-response-stream|count-tokens)")
NAME = re.compile(r"(?:([a-z-]+)[.])?anthropic[.](claude-[a-z0-9-]+?)(-v\d(?::\d)?)?")
BETAS = frozenset(
    """computer-use-2024-10-22 computer-use-2025-01-24 computer-use-2025-11-24 token-efficient-tools-2025-02-19
    interleaved-thinking-2025-05-14 output-128k-2025-02-19 dev-full-thinking-2025-05-14 context-1m-2025-08-07
    context-management-2025-06-27 effort-2025-11-24 tool-search-tool-2025-10-19 tool-examples-2025-10-29 compact-2026-01-12
    fine-grained-tool-streaming-2025-05-14 mid-conversation-output-config-2026-07-01
    mid-conversation-tool-changes-2026-07-01 thinking-binding-controls-2026-08-01""".split()  # noqa: SIM905  one a line is long
)
"""Others are 400 "invalid beta flag" (github.com/coder/aibridge/issues/221, 2026-04); the list is assumed."""
VERSIONED = {
    "claude-opus-4-6": "-v1",
    "claude-sonnet-4-6": "",
    "claude-opus-4-5-20251101": "-v1:0",
    "claude-sonnet-4-5-20250929": "-v1:0",
    "claude-haiku-4-5-20251001": "-v1:0",
    "claude-opus-4-1-20250805": "-v1:0",
    "claude-opus-4-20250514": "-v1:0",
    "claude-sonnet-4-20250514": "-v1:0",
    "claude-3-7-sonnet-20250219": "-v1:0",
    "claude-3-5-haiku-20241022": "-v1:0",
    "claude-3-haiku-20240307": "-v1:0",
}
"""ids of the older models; later ones end with their name"""
INVOKED_ONLY = frozenset(VERSIONED) - {"claude-haiku-4-5-20251001"}
"""not at the Messages endpoint"""
EXCEPTIONS = {
    "invalid_request_error": (400, "ValidationException"),
    "not_found_error": (404, "ResourceNotFoundException"),
    "request_too_large": (400, "ValidationException"),
    "rate_limit_error": (429, "ThrottlingException"),
    "overloaded_error": (503, "ServiceUnavailableException"),
    "timeout_error": (408, "ModelTimeoutException"),
    "api_error": (500, "InternalServerException"),
}


class AwsDelivery(Delivery):
    """A reply with AWS's request id; where `own`, with none of Anthropic's headers, and errors of AWS's shape."""

    own = False

    def headers(self, kind: str) -> dict[str, str]:
        """See `Delivery`."""
        headers = super().headers(kind) | {"x-amzn-requestid": self.request_id}
        if self.own:
            hidden = ("anthropic-", "request-id")
            headers = {name: value for name, value in headers.items() if not name.startswith(hidden)}
        return headers

    async def error(self, problem: ApiError) -> None:
        """See `Delivery`."""
        if not self.own:
            await super().error(problem)
            return
        status, name = EXCEPTIONS.get(problem.kind, (problem.status, "ValidationException"))
        await self.refuse(AwsError(status, name, problem.message))

    async def refuse(self, problem: AwsError) -> None:
        """An error of AWS's own."""
        headers = self.headers(JSON) | {"x-amzn-errortype": f"{problem.name}:http://internal.amazon.com/coral/"}
        await http.whole(self.send, problem.status, headers, msgspec.json.encode({"message": problem.message}))


async def claude_platform(simulator: Simulator, request: Request, delivery: Delivery) -> None:
    """The whole of the Claude API for a workspace of the account."""
    there = AwsDelivery(simulator, request, delivery.send, delivery.request_id)
    await _answered(there, _on_platform(simulator, request, there))


async def bedrock_mantle(simulator: Simulator, request: Request, delivery: Delivery) -> None:
    """The Messages API on AWS's machines: models are called `anthropic.<name>`, a call runs in the region."""
    there = AwsDelivery(simulator, request, delivery.send, delivery.request_id)
    await _answered(there, _on_mantle(simulator, request, there))


async def bedrock_runtime(simulator: Simulator, request: Request, delivery: Delivery) -> None:
    """InvokeModel and its like."""
    there = AwsDelivery(simulator, request, delivery.send, delivery.request_id)
    there.own = True
    await _answered(there, _on_runtime(simulator, request, there))


async def _answered(there: AwsDelivery, work: Awaitable[None]) -> None:
    try:
        await work
    except ApiError as problem:
        await there.error(problem)
    except AwsError as problem:
        await there.refuse(problem)
    except http.TooLong:
        await there.error(ApiError("request_too_large", "Request exceeds the maximum size"))


async def _on_platform(simulator: Simulator, request: Request, there: AwsDelivery) -> None:
    body = await request.body(simulator.config.max_body_bytes)
    workspace = request.headers.get("anthropic-workspace-id", "")
    if "x-api-key" in request.headers or request.headers.get("authorization", "").startswith("Bearer "):
        account = authenticate(request.headers).organization
    else:
        account = account_of(request, body, "aws-external-anthropic", simulator.now())
    there.caller = Caller(account, workspace.removeprefix("wrkspc_"), account)
    if not workspace:
        raise invalid("anthropic-workspace-id: header is required")
    there.request = _again(request, body)
    await _messages(simulator, there, request.path.removeprefix("/aws-external-anthropic"))


async def _on_mantle(simulator: Simulator, request: Request, there: AwsDelivery) -> None:
    body = await request.body(BYTES_MAX)
    account = account_of(request, body, "bedrock-mantle", simulator.now())
    there.caller = Caller(account, "default", account, regional=True)
    document = _without(decode(body), ("inference_geo", "speed"))
    name = NAME.fullmatch(str(document.get("model")))
    known = simulator.models.by_name
    if name is None or name[1] or name[3] or name[2] not in known or re.search(r"-\d{8}$", name[2]):
        raise not_found(f"model: {document.get('model')}")
    if known[name[2]].id in INVOKED_ONLY:
        raise not_found(f"model: {document.get('model')}")
    _check_betas(request.betas)
    there.request = _again(request, msgspec.json.encode(document | {"model": name[2]}))
    await _messages(simulator, there, request.path.removeprefix("/bedrock-mantle/anthropic"))


async def _on_runtime(simulator: Simulator, request: Request, there: AwsDelivery) -> None:
    body = await request.body(BYTES_MAX)
    account = account_of(request, body, "bedrock", simulator.now())
    identifier, verb = _operation(request)
    prefix, model = _model(simulator, identifier, bare=verb == "count-tokens")
    there.caller = caller = Caller(account, "default", account, regional=prefix != "global")
    if verb == "count-tokens":
        inner = _invoked(decode(_counted(decode(body))), model, stream=False, counting=True)
        call = simulator.service.prepare(inner, caller, version="2023-06-01", now=simulator.now(), counting=True)
        await there.json({"inputTokens": call.rendered.total})
        return
    document = decode(body)
    inner = _invoked(document, model, stream=verb != "invoke")
    betas = document.get("anthropic_beta") or [] if isinstance(document, dict) else []
    _check_betas(betas)
    headers = request.headers | {"anthropic-beta": ",".join(betas)}
    there.request = replace(_again(request, msgspec.json.encode(inner)), headers=headers)
    there.send = Framed(there.send).send
    await there.message(caller, "2023-06-01")


async def _messages(simulator: Simulator, there: AwsDelivery, path: str) -> None:
    """The endpoints of the Messages API that are served for another way to them."""
    version = check_version(there.request.headers)
    if path == "/v1/messages":
        await there.message(there.caller, version)
    elif path == "/v1/messages/count_tokens":
        await simulator.count(there.request, there, there.caller, version)
    else:
        raise not_found("Not Found")


def _operation(request: Request) -> tuple[str, str]:
    """The model and what to do with it."""
    found = OPERATION.fullmatch(request.raw_path)
    if found is None or request.method != "POST":
        raise AwsError(404, "UnknownOperationException", "")
    return unquote(found[1]), found[2]


def _again(request: Request, body: bytes) -> Request:
    """The request with a body that can be read once more."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> http.Message:
        return left.pop() if left else await request.receive()

    return replace(request, receive=receive)


def _model(simulator: Simulator, identifier: str, *, bare: bool) -> tuple[str, str]:
    """The prefix and the name in an id of InvokeModel. `bare`: counting takes no profiles."""
    found = NAME.fullmatch(identifier)
    table = simulator.models.by_name
    if found is None or found[2] not in table or VERSIONED.get(table[found[2]].id, "") != (found[3] or ""):
        raise AwsError(400, "ValidationException", "The provided model identifier is invalid.")
    if table[found[2]].id in VERSIONED and table[found[2]].id != found[2]:
        raise AwsError(400, "ValidationException", "The provided model identifier is invalid.")
    if bare and found[1]:
        raise AwsError(400, "ValidationException", "The provided model doesn't support counting tokens.")
    if not bare and not found[1]:
        raise AwsError(
            400,
            "ValidationException",
            f"Invocation of model ID {identifier} with on-demand throughput isn’t supported. Retry your request with the "
            "ID or ARN of an inference profile that contains this model.",
        )
    return found[1] or "", found[2]


def _invoked(document: Any, model: str, *, stream: bool, counting: bool = False) -> dict[str, Any]:
    """The Messages body that a body of InvokeModel means. ApiError 400 for what it does not take."""
    body = _without(document, ("model", "stream", "cache_control", "inference_geo", "speed", "service_tier"))
    if body.get("anthropic_version") != VERSION:
        raise invalid("anthropic_version: Field required" if "anthropic_version" not in body else "Invalid API version")
    inner = {name: value for name, value in body.items() if name not in {"anthropic_version", "anthropic_beta"}}
    if counting:
        inner.pop("max_tokens", None)
    return inner | {"model": model, "stream": stream}


def _without(document: Any, refused: Iterable[str]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise invalid("Malformed input request, please reformat your input and try again.")
    for name in refused:
        if name in document:
            raise invalid(f"{name}: Extra inputs are not permitted")
    return document


def _counted(document: Any) -> bytes:
    try:
        return msgspec.convert(document["input"]["invokeModel"]["body"], bytes)
    except (KeyError, TypeError, msgspec.ValidationError):
        raise invalid("input.invokeModel.body: Field required") from None


def _check_betas(betas: Iterable[str]) -> None:
    if not set(betas) <= BETAS:
        raise invalid("invalid beta flag")

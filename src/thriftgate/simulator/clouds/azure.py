"""Azure: Entra's token endpoint, and Claude in a Foundry resource.

    POST /login.microsoftonline/TENANT/oauth2/v2.0/token       client credentials; secrets begin with `sim-`
    POST /services.ai.azure/RESOURCE/anthropic/v1/messages     and …/count_tokens; keys begin with `sim-`

`model` is the name of a deployment: what `deployments` names, or the id of a model for one that nobody has named otherwise;
with `-datazone` behind it a deployment of the type US Data Zone Standard.

Sources: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow (2026-08); platform.claude.com/docs/
en/build-with-claude/claude-in-microsoft-foundry and …/about-claude/pricing (2026-11); errors as in public issues
(github.com/microsoft/vscode/issues/294841, NousResearch/hermes-agent/issues/47812). The error of a limit is assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thriftgate.simulator.clouds.front import FrontError, Tokens, form_of, is_front_matter, made_anew, without_limits
from thriftgate.simulator.errors import ApiError, invalid
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import Caller
from thriftgate.simulator.validate import check_version

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator
    from thriftgate.simulator.delivery import Delivery

TOKEN = re.compile(r"/login[.]microsoftonline/([^/]+)/oauth2/v2[.]0/token")
RESOURCE = re.compile(r"/services[.]ai[.]azure/([^/]+)/anthropic(/.*)")
SCOPE = "https://ai.azure.com/.default"
SECRET = "sim-"  # noqa: S105  what made-up secrets begin with
DATA_ZONE = "-datazone"
FAST = ("claude-opus-5-5",)
"""doc: release notes, 2026-10-15: Azure-hosted Opus 5.5"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model under a name of its own; `data_zone` is whether it is of the type US Data Zone Standard."""

    model: str
    data_zone: bool = False


class Azure:
    """One per simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.tokens = Tokens("eyJ.sim-")
        self.deployments: dict[str, Deployment] = {}

    async def serve(self, request: Request, delivery: Delivery) -> None:
        """Answers what came to a host of Azure's. Raises ApiError for the errors that are Claude's own."""
        asks_token = TOKEN.fullmatch(request.path) and request.method == "POST"
        answer = self._give_token if asks_token else self._serve
        try:
            await answer(request, delivery)
        except FrontError as problem:
            await problem.send(delivery)
        except ApiError as problem:
            if not is_front_matter(problem):
                raise
            await _told(problem).send(delivery)

    async def _give_token(self, request: Request, delivery: Delivery) -> None:
        form = await form_of(request)
        self.tokens.check()
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE or not form.get("client_id"):
            raise _refused("invalid_request", "AADSTS900144: The request body must contain grant_type, scope and client_id.")
        if not form.get("client_secret", "").startswith(SECRET):
            raise _refused("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        token = self.tokens.give(form["client_id"], self._simulator.now())
        await delivery.json({"token_type": "Bearer", "expires_in": self.tokens.lifetime_s, "access_token": token})

    async def _serve(self, request: Request, delivery: Delivery) -> None:
        found = RESOURCE.fullmatch(request.path)
        if found is None:
            raise _azure(404, "404", "Resource not found")
        resource, path = found.groups()
        self._check_caller(request)
        without_limits(delivery, {"apim-request-id": delivery.request_id.replace("req_", "apim-")})
        if path not in {"/v1/messages", "/v1/messages/count_tokens"} or request.method != "POST":
            raise _azure(404, "404", "Resource not found")
        version = check_version(request.headers)
        body = decode(await request.body(self._simulator.config.max_body_bytes))
        if not isinstance(body, dict):
            raise invalid("Request body must be a JSON object")
        deployment = self._deployment(body)
        body["model"] = deployment.model
        if body.get("speed") == "fast" and deployment.model not in FAST:
            raise invalid("speed: fast mode is not supported for this model")
        if "inference_geo" in body:
            raise invalid("inference_geo: Extra inputs are not permitted")
        caller = delivery.caller = Caller(resource, "default", resource, regional=deployment.data_zone)
        delivery.request = made_anew(request, path, request.headers, body)
        if path == "/v1/messages":
            await delivery.message(caller, version)
        else:
            await self._simulator.count(delivery.request, delivery, caller, version)

    def _check_caller(self, request: Request) -> None:
        """A key by either name, or a token of Entra's."""
        key = request.headers.get("x-api-key") or request.headers.get("api-key")
        if key is not None and key.startswith(SECRET):
            return
        if key is None and self.tokens.owner(request.headers, self._simulator.now()):
            return
        text = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key."
        raise _azure(401, "401", text)

    def _deployment(self, body: dict[str, Any]) -> Deployment:
        name = str(body.get("model", ""))
        plain = name.removesuffix(DATA_ZONE)
        found = self.deployments.get(name)
        if found is None and plain in self._simulator.models.by_name:
            found = Deployment(plain, data_zone=plain != name)
        if found is None:
            raise _no_deployment()
        return found


async def azure(simulator: Simulator, request: Request, delivery: Delivery) -> None:
    """What is Azure's of a simulator."""
    await simulator.azure.serve(request, delivery)


def _azure(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> FrontError:
    return FrontError(status, {"error": {"code": code, "message": text}}, headers)


def _refused(code: str, why: str, status: int = 400) -> FrontError:
    return FrontError(status, {"error": code, "error_description": why})


def _no_deployment() -> FrontError:
    return _azure(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")


def _told(problem: ApiError) -> FrontError:
    if problem.kind == "not_found_error":
        return _no_deployment()
    wait = {} if problem.retry_after_s is None else {"retry-after": str(problem.retry_after_s)}
    return _azure(429, "RateLimitReached", "Your requests have exceeded the token rate limit of this deployment.", wait)

"""Google Cloud: its token endpoint, Claude as Google serves it, and Claude as Anthropic serves it there.

    POST /oauth2.googleapis/token                OAuth 2.0: a service account's signed statement, or a refresh token
    GET  /oauth2.googleapis/service-account.json a key to try it with (no part of what is imitated)
    POST /aiplatform/v1/projects/P/locations/L/publishers/anthropic/models/M:rawPredict, or M:streamRawPredict
    …    /claude.googleapis/v1/projects/P/locations/L/workspaces/W/invoke/…  the whole Claude API

Sources: developers.google.com/identity/protocols/oauth2/service-account (2026-08), RFC 7523; platform.claude.com/docs/en/
build-with-claude/claude-models-on-google-cloud/{google,anthropic}-managed (2026-11); errors as in public issues
(github.com/anthropics/claude-code/issues/1440, cline/cline/issues/651, Wei-Shaw/sub2api/issues/3358); prices:
about-claude/pricing (2026-08). Which of Claude's errors come from Google's front is assumed, but for limits and models.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from thriftgate.simulator.clouds.front import FrontError, Tokens, form_of, is_front_matter, made_anew, without_limits
from thriftgate.simulator.errors import ApiError, invalid
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import KEY_PREFIX, Caller

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator
    from thriftgate.simulator.delivery import Delivery

TOKEN, KEY = "/oauth2.googleapis/token", "/oauth2.googleapis/service-account.json"
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
MODEL = re.compile(
    r"/aiplatform/v1/projects/([^/]+)/locations/([^/]+)/publishers/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)"
)
WHOLE_API = re.compile(r"/claude.googleapis/v1/projects/([^/]+)/locations/([^/]+)/workspaces/([^/]+)/invoke(/.*)")
VERSIONS = {"vertex-2023-10-16": "2023-06-01", "2026-10-21": "2026-10-21"}
DATED = {
    "claude-sonnet-4-5@20250929": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5@20251001": "claude-haiku-4-5-20251001",
    "claude-opus-4-5@20251101": "claude-opus-4-5-20251101",
    "claude-opus-4-1@20250805": "claude-opus-4-1-20250805",
    "claude-opus-4@20250514": "claude-opus-4-20250514",
    "claude-sonnet-4@20250514": "claude-sonnet-4-20250514",
    "claude-3-7-sonnet@20250219": "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku@20241022": "claude-3-5-haiku-20241022",
}
"""doc: …/google-managed, 2026-11"""
REFUSED_BETAS = frozenset({"advisor-tool-2026-03-01", "prompt-caching-scope-2026-01-05", "redact-thinking-2026-02-12"})
"""as seen in practice (Wei-Shaw/sub2api/issues/3358, 2026-06)"""
FAST = ("claude-fable-5-2",)
"""doc: Google's partner-models/claude/fable-5-2, 2026-11"""


@dataclass(frozen=True, slots=True)
class Account:
    """A service account: whose statements are believed, and where it may call."""

    public_key: RSAPublicKey
    project: str


class Google:
    """One per simulator. `accounts` by their address, `logins` by their refresh tokens: the project of each."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.tokens = Tokens("ya29.sim-")
        self.accounts: dict[str, Account] = {}
        self.logins: dict[str, str] = {}

    def new_account(self, token_url: str, project: str = "sim-project") -> dict[str, str]:
        """A new service account, as the JSON file of its key."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        address = f"account-{len(self.accounts) + 1}@{project}.iam.gserviceaccount.com"
        self.accounts[address] = Account(key.public_key(), project)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": f"sim{len(self.accounts)}",
            "private_key": pem.decode(),
            "client_email": address,
            "token_uri": token_url,
        }

    async def serve(self, request: Request, delivery: Delivery) -> None:
        """Answers what came to a host of Google's. Raises ApiError for the errors that are Claude's own."""
        answer = self._answering(request)
        stream = ":streamRawPredict" in request.path
        try:
            await answer(request, delivery)
        except FrontError as problem:
            problem.document = [problem.document] if stream else problem.document
            await problem.send(delivery)
        except ApiError as problem:
            if not is_front_matter(problem) or WHOLE_API.fullmatch(request.path):
                raise
            told = _limited(problem) if problem.kind == "rate_limit_error" else _no_model(request.path)
            told.document = [told.document] if stream else told.document
            await told.send(delivery)

    def _answering(self, request: Request) -> Any:
        if request.path == TOKEN and request.method == "POST":
            return self._give_token
        if request.path == KEY and request.method == "GET":
            return self._give_key
        if MODEL.fullmatch(request.path) and request.method == "POST":
            return self._predict
        return self._pass_on if WHOLE_API.fullmatch(request.path) else _not_here

    async def _give_token(self, request: Request, delivery: Delivery) -> None:
        form = await form_of(request)
        self.tokens.check()
        grant = form.get("grant_type")
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            project = self._project_of(form.get("assertion", ""))
        elif grant == "refresh_token" and form.get("refresh_token") in self.logins and form.get("client_id"):
            project = self.logins[form["refresh_token"]]
        else:
            raise _refused("Bad Request")
        token = self.tokens.give(project, self._simulator.now())
        await delivery.json({"access_token": token, "expires_in": self.tokens.lifetime_s, "token_type": "Bearer"})

    def _project_of(self, assertion: str) -> str:
        """The project of the account that has signed the statement."""
        now = self._simulator.now()
        try:
            header, claims, signature = (_unpadded(part) for part in assertion.split("."))
            said = msgspec.json.decode(claims, type=dict[str, Any])
            kind = msgspec.json.decode(header, type=dict[str, Any])
            account = self.accounts[said["iss"]]
            account.public_key.verify(signature, assertion.rpartition(".")[0].encode(), PKCS1v15(), SHA256())
        except (ValueError, KeyError, InvalidSignature):
            raise _refused("Invalid JWT Signature.") from None
        if kind.get("alg") != "RS256" or said.get("aud") != AUDIENCE or said.get("scope") != SCOPE:
            raise _refused("Invalid JWT: wrong algorithm, audience or scope.")
        if not said["iat"] - 300 <= now < said["exp"] or said["exp"] - said["iat"] > 3_600:
            raise _refused("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
        return account.project

    async def _give_key(self, request: Request, delivery: Delivery) -> None:
        host = request.headers.get("host", "127.0.0.1")
        await delivery.json(self.new_account(f"http://{host}{TOKEN}"))

    def _check_caller(self, request: Request, project: str) -> None:
        owner = self.tokens.owner(request.headers, self._simulator.now())
        if not owner:
            reason = "ACCESS_TOKEN_EXPIRED" if owner == "" else "ACCESS_TOKEN_TYPE_UNSUPPORTED"
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise _google(401, "UNAUTHENTICATED", text, reason)
        if owner != project:
            resource = f"//aiplatform.googleapis.com/projects/{project}"
            text = f"Permission 'aiplatform.endpoints.predict' denied on resource '{resource}' (or it may not exist)."
            raise _google(403, "PERMISSION_DENIED", text, "IAM_PERMISSION_DENIED")

    async def _predict(self, request: Request, delivery: Delivery) -> None:
        found = MODEL.fullmatch(request.path)
        assert found is not None
        project, region, model, method = found.groups()
        self._check_caller(request, project)
        without_limits(delivery, {})
        body = decode(await request.body(self._simulator.config.max_body_bytes))
        if not isinstance(body, dict):
            raise invalid("Request body must be a JSON object")
        version = VERSIONS.get(body.pop("anthropic_version", ""))
        if version is None:
            raise invalid("anthropic_version: Field required, and must be one of " + ", ".join(VERSIONS))
        refused = sorted(request.betas & REFUSED_BETAS)
        if refused:
            named = ", ".join(f"`{beta}`" for beta in refused)
            raise invalid(f"Unexpected value(s) {named} for the `anthropic-beta` header.")
        counting = model == "count-tokens"
        if not counting and "model" in body:
            raise invalid("model: Extra inputs are not permitted")
        model = str(body.get("model", "")) if counting else model
        body["model"] = DATED.get(model, model)
        if (model not in DATED and model in DATED.values()) or "@" in body["model"]:
            raise _no_model(request.path)
        _check_members(body, region)
        if bool(body.get("stream")) is not (method == "streamRawPredict"):
            raise invalid(f"stream: is not what {method} is for")
        caller = Caller(project, "google", project, regional=region != "global")
        delivery.caller = caller
        behind = "/v1/messages/count_tokens" if counting else "/v1/messages"
        delivery.request = made_anew(request, behind, request.headers, body)
        if counting:
            await self._simulator.count(delivery.request, delivery, caller, version)
        else:
            await delivery.message(caller, version)

    async def _pass_on(self, request: Request, delivery: Delivery) -> None:
        """The Claude API under another address: bytes as they are, the caller by its project and workspace."""
        found = WHOLE_API.fullmatch(request.path)
        assert found is not None
        project, _, workspace, path = found.groups()
        self._check_caller(request, project)
        owner = f"{project}.{workspace}".replace("-", "_")  # a hyphen ends the name in a key
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        delivery.request = made_anew(request, path, headers | {"x-api-key": f"{KEY_PREFIX}{owner}-google"})
        await self._simulator.route(delivery.request, delivery)


async def google(simulator: Simulator, request: Request, delivery: Delivery) -> None:
    """What is Google's of a simulator."""
    await simulator.google.serve(request, delivery)


async def _not_here(request: Request, _: Delivery) -> None:
    raise _google(404, "NOT_FOUND", f"The requested URL {request.path} was not found on this server.")


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _check_members(body: dict[str, Any], region: str) -> None:
    """What the Claude API knows and Google does not, or not everywhere."""
    if "inference_geo" in body:
        raise invalid("inference_geo: Extra inputs are not permitted")
    if body.get("speed") == "fast" and (body["model"] not in FAST or region not in {"global", "us", "eu"}):
        raise invalid("speed: fast mode is not supported for this model at this location")


def _refused(why: str) -> FrontError:
    return FrontError(400, {"error": "invalid_grant", "error_description": why})


def _google(status: int, name: str, text: str, reason: str = "", extra: tuple[dict[str, str], ...] = ()) -> FrontError:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    details = [*([info] if reason else []), *extra]
    error = {"code": status, "message": text, "status": name} | ({"details": details} if details else {})
    return FrontError(status, {"error": error})


def _no_model(path: str) -> FrontError:
    model = path.removeprefix("/aiplatform/v1/").rpartition(":")[0]
    return _google(404, "NOT_FOUND", f"Publisher Model `{model}` was not found or your project does not have access to it.")


def _limited(problem: ApiError) -> FrontError:
    text = (
        "Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute_per_base_model. "
        "Please submit a quota increase request."
    )
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{problem.retry_after_s}s"}
    return _google(429, "RESOURCE_EXHAUSTED", text, extra=(wait,) if problem.retry_after_s is not None else ())

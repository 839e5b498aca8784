"""Claude on Google Cloud, operated by Google: Vertex AI, now named Agent Platform.

The request of the Messages API with three differences: the model stands in the address, the version in the body, and who
calls in a token of Google's. `region` is "global" (the default, list prices), "us" or "eu" (several regions) or one region;
all but "global" cost 10 % more from the 4.5 generation on.

Sources: platform.claude.com/docs/en/build-with-claude/claude-models-on-google-cloud/google-managed (2026-11); addresses,
version and model in the body: anthropic-sdk-python 2.12 lib/vertex/_client.py. Betas are heard in the header, not in the
body (github.com/BerriAI/litellm/pull/22321), and one that Google does not know is a 400.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError, InputError, NotThere
from thriftgate.core.request import Request, parse_request
from thriftgate.core.splice import Edit, apply
from thriftgate.providers.cloud_errors import GOOGLE
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on
from thriftgate.providers.google_credentials import google_source
from thriftgate.providers.provider import Traits, with_betas
from thriftgate.providers.token_finish import TokenFinish
from thriftgate.providers.token_keeper import TokenKeeper
from thriftgate.providers.transport import FileBody, Headers, Outgoing, header

GLOBAL = "global"
SEVERAL_REGIONS = ("us", "eu")
VERSION = "vertex-2023-10-16"
NEW_VERSION = "2026-10-21"  # SDKs of that API version send it in the body by its own name
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
BETAS = frozenset(
    {
        "compact-2026-01-12",
        "compact-2026-09-04",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "interleaved-thinking-2025-05-14",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
    }
)
"""As others send them there (github.com/BerriAI/litellm, anthropic_beta_headers_config.json, 2026-10)."""
_DATED = re.compile(r"(claude-.+)-(20\d{6})")
_SEGMENT = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Names that do not follow from the rule: the undated ones of dated models, and one with a version of its own.
NAMES = {
    "claude-sonnet-4-5": "claude-sonnet-4-5@20250929",
    "claude-haiku-4-5": "claude-haiku-4-5@20251001",
    "claude-opus-4-5": "claude-opus-4-5@20251101",
    "claude-opus-4-1": "claude-opus-4-1@20250805",
    "claude-3-5-sonnet-20241022": "claude-3-5-sonnet-v2@20241022",
}


class Vertex:
    """Needs a project, which a service account's key names as well. `key` is an access token that somebody else renews;
    without one there are the `credentials`, or what the machine has. Raises ConfigError."""

    name = "vertex"
    count_path = COUNT
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-models-on-google-cloud/google-managed, 2026-11; "
        "fast: docs.cloud.google.com/gemini-enterprise-agent-platform/models/partner-models/claude/fable-5-2, 2026-11",
        betas=False,
        betas_heard=BETAS,
        refuses=("container", "mcp_servers", "fallbacks", "diagnostics", "thread"),
        tools_refused=("web_fetch_", "code_execution_", "advisor_", "mcp_toolset"),
        fast=True,
        fast_models=("claude-fable-5-2",),
        body_bytes_max=30_000_000,
    )

    def __init__(self, endpoint: Endpoint) -> None:
        region = endpoint.region or GLOBAL
        self.url = checked_origin(endpoint.url or f"https://{_host(checked_segment(region, 'region'))}/v1")
        key = checked_key(endpoint.key)
        source = None if key else google_source(endpoint.credentials)
        project = endpoint.project or (source.project if source is not None else "")
        self._models = endpoint.models
        self._base = f"{self.url}/projects/{checked_segment(project, 'project')}/locations/{region}"
        self._base += "/publishers/anthropic/models"
        self._credentials: Headers = ((b"authorization", b"Bearer " + key),) if key else ()
        self._finish = TokenFinish(TokenKeeper(source) if source is not None else None, GOOGLE)
        self.place = "" if region == GLOBAL else "regional"
        if region not in (GLOBAL, *SEVERAL_REGIONS):
            self.traits = replace(self.traits, fast=False)

    def model_id(self, model: str) -> str:
        """Models with a date in their name have it behind an @."""
        return self._models.get(model) or (_id_of(model) if model.startswith("claude-") else "")

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """Raises NotThere for what is neither a message nor a count, InputError for a body that is a file."""
        if path not in (MESSAGES, COUNT):
            raise NotThere(f"Vertex has no {path}; it answers messages and counts tokens")
        if isinstance(body, FileBody):
            raise InputError("a message for Vertex cannot come from a file")
        url, body = self._addressed(path, body, header(headers, b"anthropic-version"))
        kept = with_betas(passed_on(headers, CREDENTIALS | {b"anthropic-version"}), self.traits)
        return Outgoing(method, url, (*kept, *self._credentials), body, self._finish)

    def _addressed(self, path: str, body: bytes, version: str) -> tuple[str, bytes]:
        """The address of a call, and its body for it. One that is no message goes as it is: Google says what is wrong."""
        try:
            request = parse_request(body, needs_max_tokens=False)
        except InputError:
            return f"{self._base}/unknown:rawPredict", body
        there = self._models.get(request.model) or _id_of(request.model)
        changes = [] if "anthropic_version" in request.members else [Edit(("anthropic_version",), _version(version))]
        if path == COUNT:
            changes.append(Edit(("model",), msgspec.json.encode(there)))
            return f"{self._base}/count-tokens:rawPredict", apply(body, changes)
        changes.append(Edit(("model",), None))
        return f"{self._base}/{quote(there, safe='@')}:{_method(request)}", apply(body, changes)


def checked_segment(value: str, where: str) -> str:
    """A name that stands in the path of an address. Raises ConfigError for another."""
    if not _SEGMENT.fullmatch(value):
        raise ConfigError(f"{where}: {'is missing' if not value else f'{value!r} is none'}; name it as Google Cloud does")
    return value


def _host(region: str) -> str:
    if region == GLOBAL:
        return "aiplatform.googleapis.com"
    return f"aiplatform.{region}.rep.googleapis.com" if region in SEVERAL_REGIONS else f"{region}-aiplatform.googleapis.com"


def _id_of(model: str) -> str:
    dated = _DATED.fullmatch(model)
    return NAMES.get(model) or (f"{dated[1]}@{dated[2]}" if dated else model)


def _version(told: str) -> bytes:
    return msgspec.json.encode(NEW_VERSION if told == NEW_VERSION else VERSION)


def _method(request: Request) -> str:
    return "streamRawPredict" if request.stream else "rawPredict"

"""Claude in Microsoft Foundry: the Messages API at a resource of one's own, with Azure's keys and bill.

`project` is the name of the resource, a model is called by the name of its deployment (the model's id where none was given),
and `region = "us"` says that the deployments are of the type US Data Zone Standard, which costs 10 % more.

Sources: platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry and …/about-claude/pricing (2026-11);
headers and what is not there (batches, models): anthropic-sdk-python 2.12 lib/foundry.py. Files, skills and containers are
those of the resource, so that calls which name some of elsewhere cannot go there. Fast mode is Opus 5.5's alone, and
only of deployments hosted on Azure (release notes, 2026-10-15).
"""

from __future__ import annotations

import re

from thriftgate.core.errors import ConfigError, NotThere
from thriftgate.providers.cloud_errors import AZURE
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.entra_credentials import EntraSource
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on, renamed
from thriftgate.providers.provider import Traits, with_betas
from thriftgate.providers.token_finish import TokenFinish
from thriftgate.providers.token_keeper import TokenKeeper
from thriftgate.providers.transport import FileBody, Headers, Outgoing

BETAS = frozenset(
    {
        "advanced-tool-use-2025-11-20",
        "code-execution-2025-08-25",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "interleaved-thinking-2025-05-14",
        "mcp-client-2025-04-04",
        "mcp-client-2025-11-20",
        "per-turn-control-2026-07-01",
        "thinking-display-updates-2026-08-18",
        "web-fetch-2025-09-10",
    }
)
"""As others send them there (github.com/BerriAI/litellm, anthropic_beta_headers_config.json, 2026-10)."""
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
PLACES = {"": "", "us": "us-data-zone"}
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class Foundry:
    """Needs the name of a resource, or its address up to `/anthropic`; and a key, or an application of Entra's (`tenant`,
    `client_id`, `client_secret`). Raises ConfigError."""

    name = "foundry"
    count_path = COUNT
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry, 2026-11",
        betas=False,
        betas_heard=BETAS,
        refuses=("container", "fallbacks", "diagnostics", "thread"),
        tools_refused=("advisor_",),
        fast=True,
        fast_models=("claude-opus-5-5",),
    )

    def __init__(self, endpoint: Endpoint) -> None:
        if not endpoint.url and not _RESOURCE.fullmatch(endpoint.project):
            raise ConfigError("project: name the Foundry resource: it is the first part of NAME.services.ai.azure.com")
        self.url = checked_origin(endpoint.url or f"https://{endpoint.project}.services.ai.azure.com/anthropic")
        if endpoint.region not in PLACES:
            raise ConfigError(
                f'region: {endpoint.region!r}: "us" is for US Data Zone Standard deployments, "" for Global ones'
            )
        self.place = PLACES[endpoint.region]
        key = checked_key(endpoint.key)
        self._models = endpoint.models
        self._credentials: Headers = ((b"x-api-key", key), (b"api-key", key)) if key else ()
        self._finish = TokenFinish(None if key else TokenKeeper(EntraSource(endpoint)), AZURE)

    def model_id(self, model: str) -> str:
        """A deployment is called like its model where nobody has named it otherwise."""
        return self._models.get(model) or (model if model.startswith("claude-") else "")

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The same call at another address. Raises NotThere for what is neither a message nor a count."""
        if path not in (MESSAGES, COUNT):
            raise NotThere(f"Foundry has no {path}; it answers messages and counts tokens")
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*with_betas(passed_on(headers, CREDENTIALS | {b"api-key"}), self.traits), *self._credentials),
            body=renamed(body, self._models) if self._models else body,
            finish=self._finish,
        )

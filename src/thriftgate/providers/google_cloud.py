"""Claude on Google Cloud, operated by Anthropic (since 2026-10-22): the Claude API whole, with Google's tokens and bill.

Sources: platform.claude.com/docs/en/build-with-claude/claude-models-on-google-cloud/anthropic-managed (2026-11); address:
anthropic-sdk-python 2.12 lib/google_cloud/_client.py. Fast mode: release notes of 2026-10-22. That `inference_geo` is heard
there is not documented, so such calls go elsewhere.
"""

from __future__ import annotations

from thriftgate.providers.cloud_errors import GOOGLE
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, checked_key, checked_origin, passed_on, renamed
from thriftgate.providers.google_credentials import google_source
from thriftgate.providers.provider import Traits
from thriftgate.providers.token_finish import TokenFinish
from thriftgate.providers.token_keeper import TokenKeeper
from thriftgate.providers.transport import FileBody, Headers, Outgoing
from thriftgate.providers.vertex import GLOBAL, checked_segment

ORIGIN = "https://claude.googleapis.com"


class GoogleCloud:
    """Needs a project, which a service account's key names as well, and a workspace. `key` is an access token that somebody
    else renews; without one there are the `credentials`, or what the machine has. Raises ConfigError."""

    name = "google_cloud"
    count_path = "/v1/messages/count_tokens"
    place = ""
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-models-on-google-cloud/anthropic-managed, 2026-11",
        batches=True,
        fast=True,
    )

    def __init__(self, endpoint: Endpoint) -> None:
        key = checked_key(endpoint.key)
        source = None if key else google_source(endpoint.credentials)
        if endpoint.url:
            self.url = checked_origin(endpoint.url)
        else:
            project = checked_segment(endpoint.project or (source.project if source is not None else ""), "project")
            region, workspace = endpoint.region or GLOBAL, checked_segment(endpoint.workspace, "workspace")
            place = f"projects/{project}/locations/{checked_segment(region, 'region')}/workspaces/{workspace}"
            self.url = f"{ORIGIN}/v1/{place}/invoke"
        self._models = endpoint.models
        self._credentials: Headers = ((b"authorization", b"Bearer " + key),) if key else ()
        self._finish = TokenFinish(TokenKeeper(source) if source is not None else None, GOOGLE)

    def model_id(self, model: str) -> str:
        """The same as Anthropic's."""
        return self._models.get(model) or (model if model.startswith("claude-") else "")

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The same call at another address."""
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*passed_on(headers, CREDENTIALS), *self._credentials),
            body=renamed(body, self._models) if self._models else body,
            finish=self._finish,
        )

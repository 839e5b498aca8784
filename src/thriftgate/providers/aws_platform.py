"""Claude Platform on AWS: Anthropic's own API behind AWS's identities and AWS's invoice.

Sources: platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws and
docs.aws.amazon.com/claude-platform/latest/userguide, 2026-10; the official SDK's lib/aws. Paths, bodies, betas, streams and
errors are those of the Claude API; a workspace must be named, and prices are the list's.
"""

from __future__ import annotations

from thriftgate.core.errors import ConfigError
from thriftgate.providers.aws_endpoint import aws_endpoint
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, checked_key, passed_on, renamed
from thriftgate.providers.provider import Traits
from thriftgate.providers.transport import FileBody, Headers, Outgoing

_WORKSPACE = b"anthropic-workspace-id"


class AwsPlatform:
    """Signed, or with an API key of the workspace (in the environment: ANTHROPIC_AWS_API_KEY)."""

    name = "aws_platform"
    count_path = "/v1/messages/count_tokens"
    place = ""
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws, 2026-10",
        batches=True,
        geo=True,
        refuses=("diagnostics",),
    )

    def __init__(self, endpoint: Endpoint) -> None:
        if not endpoint.workspace:
            raise ConfigError(
                "upstream.workspace: name the workspace (wrkspc_…); Claude Platform on AWS takes no call without"
            )
        self._workspace = (_WORKSPACE, checked_key(endpoint.workspace))
        self._aws = aws_endpoint(
            endpoint,
            service="aws-external-anthropic",
            url="https://aws-external-anthropic.{region}.api.aws",
            bearers=("ANTHROPIC_AWS_API_KEY",),
        )
        self.url = self._aws.url
        self._models = endpoint.models

    def model_id(self, model: str) -> str:
        """Anthropic's own names; any passes: the API says which it does not know."""
        return self._models.get(model, model)

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The client's own request, for this workspace."""
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*passed_on(headers, CREDENTIALS | {_WORKSPACE}), self._workspace, *self._aws.own),
            body=renamed(body, self._models) if self._models else body,
            finish=self._aws.finish,
        )

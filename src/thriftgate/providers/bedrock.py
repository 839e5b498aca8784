"""Claude in Amazon Bedrock: the Messages API on AWS's own machines, answered as server-sent events.

Sources: platform.claude.com/docs/en/build-with-claude/claude-in-amazon-bedrock and
docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html, 2026-10; the official SDK's lib/bedrock/_mantle.py.
A call runs in its region, which costs 1.1 times the list's price. Below bedrock-runtime.REGION.amazonaws.com/anthropic the
same is spoken with the profiles of InvokeModel; what is sent there is signed as that host wants it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Edit, apply
from thriftgate.providers.aws_endpoint import aws_endpoint
from thriftgate.providers.bedrock_names import named_alike, plain_id
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.envelope import CREDENTIALS, passed_on, renamed_by
from thriftgate.providers.provider import MIB, Traits, betas_heard
from thriftgate.providers.sigv4 import Scope
from thriftgate.providers.transport import FileBody, Headers, Outgoing, header

USER_PROFILE = b"anthropic-user-profile-id"
NOT_ON_BEDROCK = ("container", "mcp_servers", "fallbacks", "diagnostics", "compaction", "thread")
"""Members of a body that need Anthropic's own servers (platform.claude.com/docs/en/build-with-claude/overview, 2026-10)."""
TOOLS_NOT_ON_BEDROCK = ("web_search_", "web_fetch_", "code_execution_", "advisor_", "mcp_toolset")
BETAS_ON_BEDROCK = frozenset(
    {
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "tool-search-tool-2025-10-19",
    }
)
"""What both endpoints take, as others send it there (github.com/BerriAI/litellm, anthropic_beta_headers_config.json,
2026-10). AWS answers 400 "invalid beta flag" to others."""


class Bedrock:
    """Signed, or with a Bedrock API key (in the environment: AWS_BEARER_TOKEN_BEDROCK)."""

    name = "bedrock"
    count_path = "/v1/messages/count_tokens"
    traits = Traits(
        "platform.claude.com/docs/en/build-with-claude/claude-in-amazon-bedrock, 2026-10",
        betas=False,
        betas_heard=BETAS_ON_BEDROCK,
        refuses=NOT_ON_BEDROCK,
        tools_refused=TOOLS_NOT_ON_BEDROCK,
        body_bytes_max=20 * MIB,
    )

    def __init__(self, endpoint: Endpoint) -> None:
        found = aws_endpoint(
            endpoint,
            service="bedrock-mantle",
            url="https://bedrock-mantle.{region}.api.aws/anthropic",
            bearers=("AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_AWS_API_KEY"),
        )
        if "//bedrock-runtime" in found.url:
            found = replace(found, finish=replace(found.finish, scope=Scope("bedrock", endpoint.region)))
        self._aws = found
        self.url = found.url
        self._models: Mapping[str, str] = endpoint.models
        named = named_alike(endpoint.models)
        self.place = "regional" if named is None or named.dearer else ""
        self._prefix = f"{named.prefix}." if named is not None and named.prefix else ""

    def model_id(self, model: str) -> str:
        """`anthropic.` and the name, without a date, behind the prefix of the ids that are named. Older models than Opus
        4.7, but for Haiku 4.5, are not there."""
        plain = plain_id(model)
        return self._models.get(model) or (plain and f"{self._prefix}{plain}")

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The client's own request. The version is 2023-06-01 whatever the client names: the later one, which only refuses
        more, is not taken for every model here (api/versioning, 2026-11)."""
        heard = betas_heard(headers, self.traits)
        kept = passed_on(headers, CREDENTIALS | {b"anthropic-beta", b"anthropic-version", USER_PROFILE})
        betas = ((b"anthropic-beta", ",".join(heard).encode()),) if heard else ()
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*kept, *betas, (b"anthropic-version", b"2023-06-01"), *self._aws.own),
            body=with_user_profile(renamed_by(body, self.model_id), headers),
            finish=self._aws.finish,
        )


def with_user_profile(body: bytes | FileBody, headers: Headers) -> bytes | FileBody:
    """The id of a user's profile in the body, where Bedrock looks for it (the official SDK's lib/bedrock/_mantle.py)."""
    profile = header(headers, USER_PROFILE)
    if not profile or not isinstance(body, bytes):
        return body
    try:
        return apply(body, [Edit(("user_profile_id",), msgspec.json.encode(profile))])
    except InputError:
        return body

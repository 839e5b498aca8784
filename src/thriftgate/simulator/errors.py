"""The API's errors: status, type, message, and the body they travel in.

Shapes and types: platform.claude.com/docs/en/api/errors, 2026-08. Messages in capitals below are quoted from documentation
where marked "doc"; the others are the wordings seen in practice, or `assumed`.
"""

from __future__ import annotations

import msgspec

PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
"""doc: api/errors, 2026-08"""
THINKING_ENABLED = (
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to '
    "control thinking behavior."
)
"""doc: api/errors, 2026-08"""
ADAPTIVE_UNSUPPORTED = "adaptive thinking is not supported on this model"
"""doc: api/errors, 2026-08"""
THINKING_DISABLED = '"thinking.type.disabled" is not supported for this model.'
"""doc: api/errors, 2026-08 (the page goes on; the rest is not reproduced)"""
THINKING_MODIFIED = (
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain "
    "as they were in the original response."
)
"""doc: api/errors, 2026-08 (second sentence: as seen in practice)"""
BINDING_CONTROLS = "thinking-binding-controls-2026-08-01"
"""doc: the beta header of `block_binding` and `input_transformations` (build-with-claude/preserved-thinking, 2026-09)"""
FORCED_TOOLS = 'tool_choice: type "tool" and "any" are not supported for this model.'
"""doc: models/opus-5-5/whats-new-opus-5-5, 2026-10"""
ONE_SAMPLER = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
"""as seen in practice (github.com/SalesforceAIResearch/MCP-Universe/issues/49, 2026-01)"""
TEMPERATURE_THINKING = "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode."
"""as seen in practice (github.com/mnfst/modelparams.dev/issues/214, 2026-08)"""
TOP_K_THINKING = "`top_k` must be unset when thinking is enabled."
"""as seen in practice (github.com/quarkiverse/quarkus-langchain4j/issues/1812, 2025-09)"""
TOP_P_THINKING = "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
"""the rule: doc, build-with-claude/thinking, 2026-09; the wording: assumed"""
SIGNATURE_INVALID = "Invalid `signature` in `thinking` block"
"""as seen in practice"""
PREFIX_MISMATCH = "Invalid `signature` in `thinking` block. The block is bound to a different conversation."
"""doc: build-with-claude/preserved-thinking, 2026-10 (the page goes on; the rest is not reproduced)"""
SPEND_ORGANIZATION = "You have reached your specified API usage limits."
"""doc: api/rate-limits, 2026-10 (start of the message)"""
SPEND_WORKSPACE = "You have reached your specified workspace API usage limits."
"""doc: api/rate-limits, 2026-10 (start of the message)"""

STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""doc: api/errors, 2026-08"""


class ApiError(Exception):
    """An answer of the API that is an error. `retry_after_s` becomes the `retry-after` header."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        details: dict[str, object] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status if status is not None else STATUS_OF[kind]
        self.details = details
        self.retry_after_s = retry_after_s

    def document(self, request_id: str) -> dict[str, object]:
        """The error as it stands in a body or in a batch result."""
        error: dict[str, object] = {"type": self.kind, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return {"type": "error", "error": error, "request_id": request_id}

    def body(self, request_id: str) -> bytes:
        """The HTTP body."""
        return msgspec.json.encode(self.document(request_id))


def invalid(message: str) -> ApiError:
    """A 400 `invalid_request_error`."""
    return ApiError("invalid_request_error", message)


def not_found(message: str) -> ApiError:
    """A 404 `not_found_error`."""
    return ApiError("not_found_error", message)


def rate_limited(message: str, retry_after_s: int | None) -> ApiError:
    """A 429; without `retry_after_s` it carries no `retry-after` header."""
    return ApiError("rate_limit_error", message, retry_after_s=retry_after_s)


def overloaded() -> ApiError:
    """The 529."""
    return ApiError("overloaded_error", "Overloaded")


def internal() -> ApiError:
    """The 500."""
    return ApiError("api_error", "Internal server error")

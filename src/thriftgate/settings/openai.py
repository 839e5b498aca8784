"""Clients that speak OpenAI's API."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from thriftgate.settings.table import Table


class OpenaiSettings(Table):
    """`[openai]`: calls in OpenAI's dialects, which are translated to Messages."""

    models: dict[str, str] = Field(
        default_factory=dict,
        description="names that clients use, or patterns such as gpt-*, and the Claude model of each; in the file only",
    )
    max_tokens: int = Field(
        default=0, ge=0, description="how long an answer may become where a call says nothing; 0 is the model's most"
    )
    responses_kept_h: float = Field(
        default=0.0,
        ge=0,
        description="how long responses are kept for previous_response_id, with the prompts that they answer: in the memory "
        "of the process that served them, bound to their key; 0 keeps none",
    )
    responses_kept_bytes: int = Field(
        default=64 * 1024 * 1024, ge=0, description="how much of them is kept: the oldest are forgotten first"
    )
    not_carried: Literal["report", "refuse"] = Field(
        default="report",
        description="what Claude cannot be told: named in the header thriftgate-not-carried, or the call is refused",
    )

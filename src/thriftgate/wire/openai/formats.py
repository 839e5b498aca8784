"""Structured outputs: `output_config.format` where the provider holds answers to the schema, else words.

platform.claude.com/docs/en/build-with-claude/structured-outputs, 2026-10.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Raw

from thriftgate.core.models import Capabilities
from thriftgate.core.output.schema_limits import check_schema, holds_to_schema
from thriftgate.wire.openai.losses import Report

_ALONE = "Answer with one JSON object and nothing else: no text around it, no code fence."


class Form(NamedTuple):
    """How the answer shall look: a member of `output_config` (None: none), and an instruction ("": none)."""

    format: dict[str, object] | None = None
    words: str = ""


def schema_form(schema: bytes, *, field: str, strict: bool, capability: Capabilities, report: Report) -> Form:
    """An answer by a JSON schema. Where the provider cannot hold it to that, the model is told; a loss if it is `strict`."""
    if not holds_to_schema(capability):
        trouble = f"not taken by {capability.id}: asked for in words"
    elif check_schema(schema):
        trouble = "the schema holds what Claude does not take: asked for in words"
    else:
        return Form({"type": "json_schema", "schema": Raw(schema)})
    report.lose(f"{field}.strict" if strict else field, trouble)
    return Form(words=f"{_ALONE} It follows this JSON schema:\n{schema.decode()}")


def object_form() -> Form:
    """Any JSON object: Messages has no such mode, so the model is told."""
    return Form(words=_ALONE)

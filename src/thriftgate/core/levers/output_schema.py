"""`output.schema` (unsafe): JSON, and nothing but JSON.

What: asks for JSON by the schema of the task's rule, by structured output where the model has it, else by an instruction;
the answer is checked, and a wrong one repaired by one more call.
Why it saves: JSON by a schema has no prose around it, and answers that fit need not be asked for twice.
When it must not: calls that name a format of their own; a conversation that began without it, whose cache it would lose.
Example: output_config: {"format": {"type": "json_schema", …}}
Source: platform.claude.com/docs/en/build-with-claude/structured-outputs, 2026-08.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputSchema(Shaped):
    """See the module."""

    id = "output.schema"

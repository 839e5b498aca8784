"""Models that are not Claude: what is known of them, and what must be taken for granted.

A row of `foreign.toml` says little: how long prompts and answers may be, and whether images are read. All else is what every
server that speaks chat completions takes, or does not: no marks for the cache, no thinking with a signature, no prefilled
answer. Their vocabularies are not known here: tokens are estimated as Claude's newer models count them, which is more than
most others do for the same text, and bills correct it model by model (`tokens.TokenMemory`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from thriftgate.core.models import NEVER_CACHED, Capabilities, rows_of

TOOL_PROMPT_TOKENS = 400
"""assumed: what a server writes around the definitions of tools; for holds, rather too much"""


class Foreign(Struct, frozen=True, forbid_unknown_fields=True):
    """One row: lengths in tokens. `long_context_above_tokens` as in `Capabilities`: above it every rate of a call rises."""

    id: str
    source: str
    checked: str
    context_tokens: int
    output_tokens_max: int
    long_context_above_tokens: int = 0
    aliases: tuple[str, ...] = ()


def is_foreign(model: str) -> bool:
    """Whether a model is none of Claude's: those are named vendor/model here."""
    return "/" in model


def capabilities_of(row: Foreign) -> Capabilities:
    """What the planner may rely on."""
    return Capabilities(
        id=row.id,
        source=row.source,
        checked=row.checked,
        aliases=row.aliases,
        long_context_above_tokens=row.long_context_above_tokens,
        context_tokens=row.context_tokens,
        output_tokens_max=row.output_tokens_max,
        cache_min_tokens=NEVER_CACHED,
        tool_prompt_tokens=TOOL_PROMPT_TOKENS,
        tool_prompt_forced_tokens=TOOL_PROMPT_TOKENS,
        reads_count_as_itpm=True,
        thinking_always_on=False,
        thinking_default_on=False,
        keeps_thinking=True,
        prefix_bound_thinking=False,
        sampling=True,
        forced_tool_choice=True,
        mid_conversation_system=True,
    )


def parse_foreign(text: str) -> tuple[Capabilities, ...]:
    """Read a table of `[[model]]` rows. Raises ConfigError naming the row and key that is wrong."""
    return told(rows_of(text, Foreign))


def told(rows: Iterable[Foreign]) -> tuple[Capabilities, ...]:
    """The rows as the planner reads them."""
    return tuple(capabilities_of(row) for row in rows)

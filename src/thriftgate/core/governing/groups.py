"""Which calls share a rate limit.

All Fable 5.x (and Mythos) share one, Opus 4.5 to 4.8 another, Sonnet 4.5 and 4.6 a third; every other model has its own, and
fast mode its own beside it (platform.claude.com/docs/en/api/rate-limits, 2026-10).
"""

from __future__ import annotations

from functools import lru_cache

from thriftgate.core.models import Capabilities
from thriftgate.core.usage import Tokens

_SHARED: tuple[tuple[str, str], ...] = (
    ("claude-fable-5", "fable-5"),
    ("claude-mythos-5", "fable-5"),
    ("claude-opus-4-5", "opus-4"),
    ("claude-opus-4-6", "opus-4"),
    ("claude-opus-4-7", "opus-4"),
    ("claude-opus-4-8", "opus-4"),
    ("claude-sonnet-4-5", "sonnet-4"),
    ("claude-sonnet-4-6", "sonnet-4"),
)
FAST = "/fast"


@lru_cache(maxsize=256)
def group_of(model: str, mode: str) -> str:
    """The name of the limits under which a call of this model (its id in the model table) runs."""
    group = next((name for prefix, name in _SHARED if model.startswith(prefix)), model)
    return group + FAST if mode == "fast" else group


def counted_input(capability: Capabilities, tokens: Tokens) -> float:
    """How much of a call's input counts towards the limit of its model: plain and written tokens; what was read is free,
    except with models of which the table says otherwise."""
    return float(tokens.prompt if capability.reads_count_as_itpm else tokens.prompt - tokens.read)

"""The words of Anthropic's own reports: tiers, token types, context windows, amounts of money, each in several spellings.

The Admin API says `cache_creation.ephemeral_1h_input_tokens` and "0-200k" and counts in cents; the Console's CSV says
`input_cache_write_1h`, "≤ 200k" and counts in dollars. Here they become one
(platform.claude.com/docs/en/api/admin/cost_report/retrieve, 2026-08; Console exports of 2024 to 2026).
"""

from __future__ import annotations

from decimal import Decimal

from thriftgate.core.errors import InputError
from thriftgate.core.money import DIGITS_MAX, PICO_PER_USD
from thriftgate.core.prices import Mode

NO_MODEL = "no_model"  # tokens of which the report does not tell the model: they have no price
UNKNOWN_TIER = "unknown_tier"  # tokens under terms that no rate card covers
OTHER_CURRENCY = "other_currency"  # an amount in another currency than US dollars
NO_TIME = "no_time"  # nothing tells when the call was made

_BUCKETS = {
    "uncached_input_tokens": "input",
    "input_tokens": "input",
    "input_no_cache": "input",
    "input": "input",
    "cache_read_input_tokens": "read",
    "input_cache_read": "read",
    "cache_creation.ephemeral_5m_input_tokens": "write_5m",
    "input_cache_write_5m": "write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "write_1h",
    "input_cache_write_1h": "write_1h",
    "cache_creation_input_tokens": "write_unsplit",
    "input_cache_write": "write_unsplit",
    "output_tokens": "output",
    "output": "output",
}
_TOKEN_COSTS = ("", "token", "tokens")
_TIERS: dict[str, Mode] = {
    "": "standard",
    "standard": "standard",
    "message": "standard",
    "priority": "standard",
    "priority_on_demand": "standard",
    "batch": "batch",
}


def mode_of(tier: str | None, speed: str | None) -> Mode | None:
    """The rate card of a service tier (or the Console's `usage_type`) and a speed; None where no card covers them. What the
    priority tier is billed is agreed outside the reports; it counts as standard here."""
    mode = _TIERS.get(tier or "")
    return "fast" if mode == "standard" and speed == "fast" else mode


def bucket_of(cost_type: str | None, token_type: str | None) -> str:
    """What a charge is for: a field of `Tokens`, `write_unsplit`, or the cost type ("web_search", "code_execution").
    A type not known here stays as it is; "" where the report does not tell."""
    if (cost_type or "") not in _TOKEN_COSTS:
        return cost_type or ""
    return _BUCKETS.get(token_type or "", token_type or "")


def window_of(text: str | None) -> str:
    """A context window as the Admin API spells it: "0-200k" for the Console's "≤ 200k", "200k-1M" for "> 200k". Others stay
    as they are."""
    packed = (text or "").replace(" ", "").replace("\u00a0", "").lower()
    if packed in {"≤200k", "<=200k"}:
        return "0-200k"
    return "200k-1M" if packed in {">200k", "≥200k", ">=200k"} else (text or "").strip()


def pico_of(amount: Decimal, *, cents: bool = False) -> int:
    """Pico-USD of an amount in dollars, or in cents: exact, and to the nearest pico-dollar where it is finer. Raises
    InputError for what is no amount of money."""
    if not amount.is_finite() or (amount and not -DIGITS_MAX < amount.adjusted() < DIGITS_MAX):
        raise InputError("no plausible amount of money")
    number, parts = amount.as_integer_ratio()
    parts *= 100 if cents else 1
    return (2 * number * PICO_PER_USD + parts) // (2 * parts)

"""Why a bill and our books differ: a slug for each cause, and a sentence about it for people."""

from __future__ import annotations

from typing import Literal

Cause = Literal[
    "discount",
    "price_change",
    "geo",
    "fast",
    "batch",
    "long_context",
    "refusals",
    "disconnect_estimates",
    "cache_untold",
    "missing_calls",
    "extra",
    "web_search",
    "code_execution",
    "session_usage",
    "rounding",
]

CAUSES: dict[Cause, str] = {
    "discount": "The bill is a constant share of the list price: a contract.",
    "price_change": "A price that changed on these days was billed as it is on the other side of the change.",
    "geo": "The bill counts another inference_geo than the log: a workspace default adds a tenth without a word.",
    "fast": "Billed at the price of fast mode where the log says standard, or the other way round.",
    "batch": "Billed at the price of batches where the log says standard, or the other way round.",
    "long_context": "Billed at another price step for long prompts than the log's prompt lengths give.",
    "refusals": "Refused calls are billed that our side counts as free, or the other way round.",
    "disconnect_estimates": "Calls that broke off: our side has estimates of them, and the bill lies within their range.",
    "cache_untold": "The log does not tell which tokens were cached, or for how long; the bill does.",
    "missing_calls": "Billed calls that the log does not hold: other clients, other keys, or calls that leave no line.",
    "extra": (
        "The log holds calls that the report does not: it lags behind, they belong to another organisation, or to a "
        "priority tier, which is in no cost report."
    ),
    "web_search": "Web searches, which the log does not tell.",
    "code_execution": "Container hours of code execution: in no log of calls.",
    "session_usage": "Hours of managed agents' sessions: in no log of calls.",
    "rounding": "The report's amounts are rounded.",
}
"""What each means. Refusals: platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, 2026-10; geographies:
.../manage-claude/data-residency, 2026-08; fees and steps: .../about-claude/pricing, 2026-10-10."""

"""`route.rules` (unsafe): a table says which model is good enough for which calls.

What: the first row of `[[routing.rules]]`, or of the ready-made split, that a call meets names the model, and if wanted the
effort, that serves it. Parameters that the other model does not take are translated, or the row is passed over.
Why it saves: prices of neighbouring models differ by 2 to 20 times, for input and output alike.
When it must not: within a tool loop; in a conversation under way, unless the saving pays for the cache that is lost, or
where thinking would be; where the other model is not cheaper for this call; where it does not take what the call asks.
Example: a classification sent to claude-opus-5-5 with 1,000 tokens in and 10 out, $0.0042, on claude-haiku-5-5: $0.000105.
Source: platform.claude.com/docs/en/about-claude/pricing, 2026-10; the decision is made in `core/routing/`.
"""

from __future__ import annotations

from thriftgate.core.routed import Routed


class RouteRules(Routed):
    """See the module."""

    id = "route.rules"

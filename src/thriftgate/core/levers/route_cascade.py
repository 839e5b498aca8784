"""`route.cascade` (unsafe): the cheap model tries first; a calibrated judgement of its answer decides whether the strong one
is asked.

What: the cheap model answers, nothing goes to the client yet; stop reason, schema and tool validity, length, agreement and,
if configured, a verifier give a confidence, and below the certified threshold the strong model is asked instead.
Why it saves: what an answer gives away of its worth tells more than any prompt; most tries are good enough.
When it must not: where the try is expected to cost more than it saves; for what cannot be held back or repeated (server
tools, pre-warming); without a valid artefact; and where `route.rules` must not.
Example: a try at $0.0001 that is accepted 8 times of 10 before a call of $0.004: $0.0009 on average.
Source: Chen et al., FrugalGPT, arXiv:2305.05176, 2023-05; measured in `benchmarks/routing`.
"""

from __future__ import annotations

from thriftgate.core.routed import Routed


class RouteCascade(Routed):
    """See the module."""

    id = "route.cascade"

"""`route.learned` (unsafe): a calibrated score says which calls the cheap model can serve.

What: a score of the request (its task, hashed words, sizes) is held against a threshold that was certified on the user's own
graded examples: quality at least the target times the strong model's, with the stated confidence. It abstains on tasks that
it has not seen.
Why it saves: as `route.rules`, without anybody having to know which calls are easy.
When it must not: without a valid artefact (expired, drifted, other prices or features); and where `route.rules` must not.
Example: at a target of 98 %, half of a mixed load on a model at a fifth of the price saves 40 %.
Source: Angelopoulos et al., Learn then Test, arXiv:2110.01052, 2021-10; measured in `benchmarks/routing`.
"""

from __future__ import annotations

from thriftgate.core.routed import Routed


class RouteLearned(Routed):
    """See the module."""

    id = "route.learned"

"""`reuse.semantic` (unsafe): an earlier answer to a similar question, within a bound on how often that may be wrong.

What: where a row of `[[reuse.semantic]]` names the task, and `reuse.exact` knows no answer, the answer to the nearest
earlier question of the same tenant is given, if all but the last words of the user is equal, if numbers, names, negations
and the like in these words are equal, and if a certificate says that answers so near are wrong at most so often.
Why it saves: a call that is not made costs nothing.
When it must not: there is no certificate, or audits have begun to speak against it; then it only watches. A certificate is
made for half of the bound, speaks of a store that no longer grows, and is held against the model's own answers on a share of
hits for as long as it is used.
Example: a help desk that is asked the same two hundred things in ten thousand ways.
Source: how often fixed thresholds break their promise is measured in benchmarks/semantic; a bound that the user sets is the
idea of vCache (Schroeder et al., https://arxiv.org/abs/2502.03771, 2025-02). The work is done in `core/semantic/` and
`engine/reusing/`, before a call is planned.
"""

from __future__ import annotations

from thriftgate.core.reduced import Told


class ReuseSemantic(Told):
    """See the module."""

    id = "reuse.semantic"

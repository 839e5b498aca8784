"""`output.cap` (unsafe): an end to runaway answers.

What: lowers max_tokens to what answers of the task need: a number of the task's rule, or one learned from the answers
themselves such that at most a stated share is longer. An answer that is cut is asked for again at the full limit.
Why it saves: the model does not see max_tokens, so this shortens nothing; it ends runaways.
When it must not: streams, since what was cut cannot be taken back; calls that think, unless the cap is learned from
answers with their thinking.
Example: max_tokens 8192 -> 640, longer than 99 % of this task's answers
Source: platform.claude.com/docs/en/about-claude/models/optimizing-for-cost-and-intelligence, 2026-08.
"""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.plan import NOTHING_ELSE, Without
from thriftgate.core.prices import Terms
from thriftgate.core.reduced import Shaped
from thriftgate.core.usage import Usage


class OutputCap(Shaped):
    """See the module."""

    id = "output.cap"

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        """An answer that stayed under the cap is as long as it would have been. A repeat came instead of
        what the cap has cut."""
        if without.cut is None or usage.iterations:
            return usage, terms
        return replace(usage, total=replace(usage.total, output=max(usage.total.output, without.cut))), terms

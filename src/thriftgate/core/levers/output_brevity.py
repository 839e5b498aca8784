"""`output.brevity` (unsafe): an answer no longer than needed.

What: adds a short directive to the end of the system prompt that asks for a short answer.
Why it saves: output costs five times the input, and the form of the answer decides how much of it there is.
When it must not: a conversation that began without it where thinking is bound to its prefix; it stands behind the
client's breakpoint on the system prompt.
Example: … -> … Answer with one word and nothing else.
Source: platform.claude.com/docs/en/about-claude/models/optimizing-for-cost-and-intelligence (a shorter answer format),
2026-08.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputBrevity(Shaped):
    """See the module."""

    id = "output.brevity"

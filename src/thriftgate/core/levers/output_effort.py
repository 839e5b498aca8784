"""`output.effort` (unsafe): no more thinking than the task needs.

What: lowers the effort, and switches thinking off where the task's rule says so and the model can.
Why it saves: thinking is billed as output; low effort costs a third to a half less.
When it must not: levels the model does not know; the middle of a conversation, whose cache it would lose; tool loops that
began with thinking.
Example: output_config: {"effort": "low"}
Source: platform.claude.com/docs/en/build-with-claude/effort and …/thinking, 2026-10.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputEffort(Shaped):
    """See the module."""

    id = "output.effort"

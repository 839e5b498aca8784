"""`output.early_stop` (unsafe): the stream ends when the answer does.

What: ends the answer once it holds what was asked for (its first line, a whole JSON value, so many items, a pattern): the
provider's stream is cancelled, the client's is ended well-formed.
Why it saves: what is not written is not billed.
When it must not: calls with tools. What the provider bills for a stream that was left is not documented: such a call is
booked as estimated.
Example: until = "first_line"
Source: platform.claude.com/docs/en/build-with-claude/streaming, 2026-08 (silent on the billing of streams that are left).
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputEarlyStop(Shaped):
    """See the module."""

    id = "output.early_stop"

"""`context.trim_tools` (unsafe): tool results without their middle, and old ones without content.

What: a tool result longer than `context.tool_result_tokens` loses its middle before it is first sent; lines that look
like errors stay. Old results are emptied where that is expected to pay for the cache it loses.
Why it saves: a tool result is read again at every later turn of the conversation.
When it must not: a conversation that is under way, up to what is cached or bound by thinking; a text that would not get
shorter; results that were sent already, unless what is saved pays for writing the rest of the prompt anew.
Example: 9,000 lines of a log -> the first and the last, [… 8,700 lines left out …] between
Source: platform.claude.com/docs/en/build-with-claude/context-editing (what is cleared is lost to the cache), 2026-08. The
work is done in `core/reduction/trim.py` and `core/reduction/steps.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class ContextTrimTools(Shortened):
    """See the module."""

    id = "context.trim_tools"

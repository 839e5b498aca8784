"""`context.compact` (unsafe): a summary instead of the older turns.

What: puts a summary in the place of the older turns, once that is expected to pay for the summary and for writing the
rest anew. The summary is made once and repeated byte for byte.
Why it saves: each turn reads the whole conversation again; a summary of it is a fiftieth as long.
When it must not: cached history is read at a tenth of its price or less, so short conversations lose by it; thinking that
is bound to its prefix goes with what is summed up; conversations that the provider holds. Details are forgotten: judge it
by quality.
Example: forty turns -> a summary, and the last four turns
Source: platform.claude.com/docs/en/build-with-claude/compaction, 2026-09, and …/preserved-thinking, 2026-10. When it
pays: `core/reduction/when.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class ContextCompact(Shortened):
    """See the module."""

    id = "context.compact"

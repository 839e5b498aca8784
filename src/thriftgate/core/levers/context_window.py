"""`context.window` (unsafe): only the latest turns.

What: leaves out the older turns of a conversation, but for the first message, once that is expected to pay for writing
the rest anew. Calls of tools and their results stay together.
Why it saves: each turn reads the whole conversation again.
When it must not: cached history is read at a tenth of its price or less, so short conversations lose by it; thinking that
is bound to its prefix goes with what is left out, all of it; conversations that the provider holds.
Example: forty turns -> the first message, [34 earlier messages … left out], six turns
Source: platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10. When it pays: `core/reduction/when.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class ContextWindow(Shortened):
    """See the module."""

    id = "context.window"

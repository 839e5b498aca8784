"""`compress.text` (unsafe): text said once.

What: takes white space at line ends, blank lines in rows, and characters of no width out of prompts; a long paragraph
that stands there twice is referred to the second time; known boilerplate goes. With `compress.fillers` filler phrases go
too.
Why it saves: retrieved passages overlap, pages repeat their footers, and every blank costs.
When it must not: fenced code, indentation, diffs; a conversation that is under way, up to what is cached or bound by
thinking; a text that would not get shorter.
Example: the same paragraph in two passages -> the second is [same as above: …]
Source: measured in benchmarks/compress, 2026-11. The work is done in `core/reduction/plain_text.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class CompressText(Shortened):
    """See the module."""

    id = "compress.text"

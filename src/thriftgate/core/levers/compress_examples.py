"""`compress.examples` (unsafe): few-shot examples as a table.

What: examples in a prompt that are written as labelled pairs become one table.
Why it saves: the labels are repeated for each example.
When it must not: fewer than four examples, or examples of several forms; a conversation that is under way, up to what is
cached or bound by thinking; a text that would not get shorter.
Example: Input: a\nOutput: b\n\nInput: c\nOutput: d … -> one line an example
Source: measured in benchmarks/compress, 2026-11. The work is done in `core/reduction/examples.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class CompressExamples(Shortened):
    """See the module."""

    id = "compress.examples"

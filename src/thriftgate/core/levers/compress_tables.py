"""`compress.tables` (unsafe): tables written as tables.

What: arrays of flat objects with the same members, in tool results, documents and questions, become CSV or TOON,
whichever is really shorter; nothing else of the text changes.
Why it saves: JSON repeats the name of each member in every row: a table says it once.
When it must not: nested rows, or rows of different members (TOON of these is longer than JSON); what the model is asked
to edit or to give back as JSON; a conversation that is under way, up to what is cached or bound by thinking; a text that
would not get shorter.
Example: [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}] -> id,name\n1,a\n2,b
Source: RFC 4180 (CSV), toonformat.dev (TOON 1.2), 2026-11; measured in benchmarks/compress. The work is done in
`core/reduction/tables.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class CompressTables(Shortened):
    """See the module."""

    id = "compress.tables"

"""`compress.json` (unsafe): JSON in tool results, documents and questions without the white space that means nothing.

What: takes indentation, line breaks and spaces between the tokens of JSON out of texts that are JSON as a whole, in fenced
blocks, or line by line. Numbers, escapes, the order of keys and keys that stand twice stay byte for byte. With
`compress.drop_nulls` members that are null go too.
Why it saves: indented JSON takes a third to a half more tokens than the same on one line.
When it must not: what an assistant has said; texts that are not whole JSON; a conversation that is under way, up to what is
cached or bound by thinking; a text that would not get shorter.
Example: {"a": 1,\\n  "b": [1, 2]} -> {"a":1,"b":[1,2]}
Source: RFC 8259, section 2 (insignificant white space); measured in benchmarks/compress, 2026-11. The work is done in
`core/reduction/json_text.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class CompressJson(Shortened):
    """See the module."""

    id = "compress.json"

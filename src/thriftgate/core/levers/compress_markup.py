"""`compress.markup` (unsafe): HTML as Markdown.

What: HTML in tool results, documents and questions becomes Markdown: headings, lists, links and tables stay, scripts,
styles and comments go.
Why it saves: markup takes several times the tokens of what it marks up.
When it must not: HTML that the user asks about, or that stands in a fenced block; a conversation that is under way, up to
what is cached or bound by thinking; a text that would not get shorter. It cannot be turned back.
Example: <h1>Prices</h1><ul><li>Tea</li></ul> -> # Prices\n\n- Tea
Source: html-to-markdown 3, 2026-11; measured in benchmarks/compress. The work is done in `core/reduction/markup.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class CompressMarkup(Shortened):
    """See the module."""

    id = "compress.markup"

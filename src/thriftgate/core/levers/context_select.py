"""`context.select` (unsafe): only the relevant sections of documents.

What: documents of one message are cut into sections, and those that have most to do with the question are kept, in their
order, up to `context.select_tokens`; what is left out is named.
Why it saves: retrieval brings ten passages where two hold the answer.
When it must not: questions about the whole (summaries, translations, comparisons); documents that may be cited; a
conversation that is under way, up to what is cached or bound by thinking; a text that would not get shorter.
Example: twelve sections and a question -> four sections, [8 sections left out here: …], and the question
Source: BM25 (Robertson and Zaragoza, 2009) by the library bm25s, 2026-11. The work is done in `core/reduction/select.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class ContextSelect(Shortened):
    """See the module."""

    id = "context.select"

"""`output.prefill` (unsafe): the answer's first words are given.

What: begins the answer with the text that the task's rule names; the client gets it as part of the answer. A model that
takes no prefill is told instead how to begin.
Why it saves: no introduction is written.
When it must not: calls that think or that ask for a JSON format, and a last message that is not the user's.
Example: {"role": "assistant", "content": "{"}
Source: platform.claude.com/docs/en/api/errors (prefill is a 400 from 4.6 on), 2026-08.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputPrefill(Shaped):
    """See the module."""

    id = "output.prefill"

"""`output.stop` (unsafe): an end where the answer ends.

What: adds stop sequences that the task's rule names; the client's own stay.
Why it saves: what would come behind the end of the answer is not written.
When it must not: sequences of white space alone, which the API rejects; answers that may hold the sequence.
Example: stop_sequences: ["</answer>"]
Source: platform.claude.com/docs/en/api/messages, 2026-08.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shaped


class OutputStop(Shaped):
    """See the module."""

    id = "output.stop"

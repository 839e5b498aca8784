"""`reuse.exact` (unsafe): an earlier answer to the very same call, instead of a new call.

What: where a rule of `[[reuse.rules]]` names the call, and the same tenant has had the same request answered within its
`ttl_s`, that answer is given again, whole or as a stream; identical calls at one time are made once.
Why it saves: a call that is not made costs nothing.
When it must not: anything in the request, the headers that count or the policy is different; the asker is another tenant;
the call looks at the world or acts on it (tools of the provider's, containers, MCP, images by URL or file id); the answer
was cut, refused or paused, or asks for tools without the rule's word; another model than the one asked for gave it.
Example: a nightly job classifies the same 10,000 product texts, of which 300 are new: 300 calls.
Source: an answer drawn anew would be another one (sampling; platform.claude.com/docs/en/api/messages, 2026-08), which is why
this is unsafe. The work is done in `core/earlier/` and `engine/reusing/`, before a call is planned.
"""

from __future__ import annotations

from thriftgate.core.reduced import Told


class ReuseExact(Told):
    """See the module."""

    id = "reuse.exact"

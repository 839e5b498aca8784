"""How a conversation is recognised: by what was said in it so far, whatever tools, settings or system prompt come with it.

The digests of the provider's cache (`core/prefix.py`) would part a conversation as soon as a setting, a tool or a first
image changes; what was decided about its messages must outlive that. Thinking does not count either: a client may leave it
out from the start, or altogether (platform.claude.com/docs/en/build-with-claude/preserved-thinking, 2026-10).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from thriftgate.core.blocks import DIGEST_BYTES, THINKING
from thriftgate.core.memo import Turn


def ends_of(turns: Sequence[Turn], key: str) -> tuple[bytes, ...]:
    """For each message the digest of all up to and including it, under this key."""
    rolling = sha256(b"talk\0" + key.encode()).digest()[:DIGEST_BYTES]
    ends: list[bytes] = []
    for turn in turns:
        said = [block.part.digest for block in turn.run.blocks if block.part.kind not in THINKING]
        rolling = sha256(rolling + b"".join(said)).digest()[:DIGEST_BYTES]
        ends.append(rolling)
    return tuple(ends)

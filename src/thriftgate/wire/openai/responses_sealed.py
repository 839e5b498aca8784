"""Content blocks inside the `encrypted_content` of a reasoning item, and back.

The Responses API has no place for a signed thinking block or for a server tool's result, and a model that binds its thinking
to its prefix wants both back as they were. A reasoning item's `encrypted_content` is what every client of that API returns
unread (developers.openai.com/api/docs/guides/reasoning, 2026-11): the blocks travel in it, bytes for bytes. It is an
envelope, not a cipher: what protects a block is the provider's own signature in it.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec
from msgspec import Raw

_OURS = "thriftgate1."  # a later way to write it gets another number


def sealed(blocks: Sequence[bytes]) -> str:
    """The blocks (each a JSON object) as one text."""
    return _OURS + urlsafe_b64encode(b"[" + b",".join(blocks) + b"]").decode()


def unsealed(text: str) -> list[dict[str, Raw]] | None:
    """The blocks of a text that `sealed` made, each by its members as they stand there; None for any other text: another
    provider's, or one that was cut."""
    if not text.startswith(_OURS):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text[len(_OURS) :]), type=list[dict[str, Raw]])
    except (binascii.Error, ValueError, RecursionError):
        return None

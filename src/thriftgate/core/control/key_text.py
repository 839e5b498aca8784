"""What a virtual key looks like: `tg-`, 256 random bits, and a check sum, 52 characters in all.

The prefix and the length let scanners for secrets find one (`tg-[A-Za-z0-9_-]{49}`); the check sum tells a key that was
mistyped or cut from one that nobody knows, without asking the books.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from zlib import crc32

from thriftgate.core.errors import InputError

PREFIX = "tg-"
RANDOM_BYTES = 32
_BODY, _SUM = 43, 6  # characters of base64 without padding: of 32 bytes, and of 4


def key_text(drawn: bytes) -> str:
    """The key made of 32 random bytes."""
    assert len(drawn) == RANDOM_BYTES
    body = _encoded(drawn)
    return f"{PREFIX}{body}{_sum_of(body)}"


def check_key_text(text: str) -> None:
    """Raises InputError for what cannot be a virtual key; says how, without the text."""
    if not text.startswith(PREFIX):
        raise InputError(f"this is no key of thriftgate's: they begin with {PREFIX}")
    body = text[len(PREFIX) :]
    if len(body) != _BODY + _SUM:
        whole = len(PREFIX) + _BODY + _SUM
        raise InputError(f"a key has {whole} characters, this has {len(text)}: it was cut, or has more on it")
    if not body.isascii() or _sum_of(body[:_BODY]) != body[_BODY:]:
        raise InputError("the check sum of this key is wrong: some character was mistyped")


def _sum_of(body: str) -> str:
    return _encoded(crc32(body.encode()).to_bytes(4, "big"))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()

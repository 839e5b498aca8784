"""Tokens of an image by the published rule, and its size from the first bytes of the base64.

Source: platform.claude.com/docs/en/build-with-claude/vision and …/vision-coordinates, 2026-08.
"""

from __future__ import annotations

import binascii
from typing import Literal

ImageTier = Literal["standard", "high"]

PATCH_PX = 28
_LIMITS: dict[ImageTier, tuple[int, int]] = {"standard": (1568, 1568), "high": (2576, 4784)}  # long edge px, tokens
_JPEG_SEGMENTS_MAX = 64
_SOF_WITHOUT_SIZE = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG, DAC share the SOF range and hold no size


def image_tokens_max(tier: ImageTier) -> int:
    """The most one image can cost: what an image of unknown size is held for."""
    return _LIMITS[tier][1]


def image_tokens(width: int, height: int, tier: ImageTier) -> int:
    """Tokens of an image of `width` × `height` pixels: ⌈w/28⌉ × ⌈h/28⌉ after the API's down-scaling.

    An image that does not fit is scaled to the largest integer long edge that does, its short edge rounded half to even.
    """
    if width <= 0 or height <= 0:
        raise ValueError(f"an image has positive sides, not {width}×{height}")
    long, short = max(width, height), min(width, height)
    if _fits(long, short, tier):
        return _patches(long) * _patches(short)
    low, high = 1, min(long, _LIMITS[tier][0])
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(middle, _scaled(middle, long, short), tier):
            low = middle
        else:
            high = middle - 1
    return _patches(low) * _patches(_scaled(low, long, short))


def _patches(side: int) -> int:
    return -(-side // PATCH_PX)


def _scaled(new_long: int, long: int, short: int) -> int:
    return max(round(new_long / (long / short)), 1)


def _fits(long: int, short: int, tier: ImageTier) -> bool:
    edge, budget = _LIMITS[tier]
    return _patches(long) * PATCH_PX <= edge and _patches(long) * _patches(short) <= budget


def image_size(encoded: bytes | memoryview) -> tuple[int, int] | None:
    """(width, height) in pixels of a base64 PNG, GIF, WebP or JPEG; None where the header does not tell.

    Decodes a few dozen bytes, whatever the size of the image.
    """
    head = _decode(encoded, 0, 33)
    size: tuple[int, int] | None = None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    elif head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        size = _webp_size(head)
    elif head[:2] == b"\xff\xd8":
        size = _jpeg_size(encoded)
    return size if size is not None and min(size) > 0 else None


def _decode(encoded: bytes | memoryview, offset: int, length: int) -> bytes:
    """`length` bytes from byte `offset` of the decoded data; fewer at the end, none where it is not base64."""
    first = offset // 3 * 4
    quads = bytes(encoded[first : (offset + length + 2) // 3 * 4])
    try:
        decoded = binascii.a2b_base64(quads[: len(quads) // 4 * 4])
    except binascii.Error:
        return b""
    return decoded[offset % 3 : offset % 3 + length]


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _jpeg_size(encoded: bytes | memoryview) -> tuple[int, int] | None:
    """Hop from segment to segment to the frame header (ITU-T T.81, annex B), decoding nine bytes of each."""
    offset = 2
    for _ in range(_JPEG_SEGMENTS_MAX):
        segment = _decode(encoded, offset, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker == 0xFF:
            offset += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _SOF_WITHOUT_SIZE:
            return int.from_bytes(segment[7:9], "big"), int.from_bytes(segment[5:7], "big")
        else:
            offset += 2 + int.from_bytes(segment[2:4], "big")
    return None

"""How many tokens a picture costs: dimensions from the file's header, then the documented down-scaling.

Source: platform.claude.com/docs/en/build-with-claude/vision and vision-coordinates, 2026-08.
"""

from __future__ import annotations

import base64
import binascii
import struct

PATCH = 28
LIMITS = {"standard": (1568, 1568), "high": (2576, 4784)}
"""image tier -> (long edge in pixels, tokens)"""
UNKNOWN = (1024, 1024)
"""assumed size of a picture whose header cannot be read, or that is given by URL or file id"""


def image_tokens(width: int, height: int, tier: str) -> int:
    """Tokens of a picture of `width` × `height` pixels after the API has scaled it down to the limits of the tier."""
    return _patches(*scaled(width, height, tier))


def scaled(width: int, height: int, tier: str) -> tuple[int, int]:
    """The size in pixels at which the model sees the picture."""
    edge, budget = LIMITS[tier]
    if _fits(width, height, edge, budget):
        return width, height
    long_side, short_side = max(width, height), min(width, height)
    aspect = long_side / short_side
    low, high = 1, long_side
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(middle, max(round(middle / aspect), 1), edge, budget):
            low = middle
        else:
            high = middle - 1
    other = max(round(low / aspect), 1)
    return (low, other) if width >= height else (other, low)


def source_size(source: object) -> tuple[int, int]:
    """Width and height of an image block's `source`; `UNKNOWN` if it holds no readable bytes."""
    if not isinstance(source, dict) or source.get("type") != "base64":
        return UNKNOWN
    data = source.get("data")
    if not isinstance(data, str):
        return UNKNOWN
    try:
        # A JPEG may carry long metadata before its frame header: 512 kB of base64 is plenty.
        raw = base64.b64decode(data[: 4 * (len(data[:524288]) // 4)], validate=False)
    except (binascii.Error, ValueError):
        return UNKNOWN
    return header_size(raw) or UNKNOWN


def header_size(raw: bytes) -> tuple[int, int] | None:
    """Width and height from a PNG, GIF, WebP or JPEG header; None for anything else."""
    if raw[:8] == b"\x89PNG\r\n\x1a\n" and len(raw) >= 24:
        width, height = struct.unpack(">II", raw[16:24])
    elif raw[:6] in {b"GIF87a", b"GIF89a"} and len(raw) >= 10:
        width, height = struct.unpack("<HH", raw[6:10])
    elif raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" and len(raw) >= 30:
        return _webp(raw)
    elif raw[:2] == b"\xff\xd8":
        return _jpeg(raw)
    else:
        return None
    return (width, height) if width and height else None


def _patches(width: int, height: int) -> int:
    return -(-width // PATCH) * -(-height // PATCH)


def _fits(width: int, height: int, edge: int, budget: int) -> bool:
    across, down = -(-width // PATCH), -(-height // PATCH)
    return across * PATCH <= edge and down * PATCH <= edge and across * down <= budget


def _webp(raw: bytes) -> tuple[int, int] | None:
    form = raw[12:16]
    if form == b"VP8X":
        return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    if form == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", raw[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(raw):
        if raw[at] != 0xFF:
            return None
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return None

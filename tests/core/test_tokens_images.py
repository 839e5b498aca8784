"""Image tokens against the published table, and image sizes from the first bytes."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.tokens import ImageTier, image_size, image_tokens


class TestImages:
    @pytest.mark.parametrize(
        ("width", "height", "standard", "high"),
        [
            (200, 200, 64, 64),
            (1000, 1000, 1296, 1296),
            (1092, 1092, 1521, 1521),
            (1920, 1080, 1560, 2691),
            (2000, 1500, 1564, 3888),
            (3840, 2160, 1560, 4784),
        ],
    )
    def test_published_table(self, width: int, height: int, standard: int, high: int) -> None:
        """platform.claude.com/docs/en/build-with-claude/vision, 2026-08."""
        assert (image_tokens(width, height, "standard"), image_tokens(width, height, "high")) == (standard, high)
        assert image_tokens(height, width, "high") == high

    @given(width=st.integers(1, 20_000), height=st.integers(1, 20_000), tier=st.sampled_from(("standard", "high")))
    def test_any_image_fits_the_budget(self, width: int, height: int, tier: ImageTier) -> None:
        assert 1 <= image_tokens(width, height, tier) <= {"standard": 1568, "high": 4784}[tier]

    @pytest.mark.parametrize("size", [(0, 10), (10, 0), (-1, 5)])
    def test_an_image_without_pixels_is_a_bug(self, size: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="positive sides"):
            image_tokens(*size, "high")

    @given(width=st.integers(1, 16_000), height=st.integers(1, 16_000))
    def test_size_is_read_from_each_format(self, width: int, height: int) -> None:
        for picture in pictures(width, height):
            assert image_size(base64.b64encode(picture)) == (width, height)

    @given(data=st.binary(max_size=200))
    def test_odd_data_never_raises(self, data: bytes) -> None:
        for head in (b"", b"\xff\xd8", b"RIFF0000WEBPVP8 ", b"GIF89a", b"\x89PNG\r\n\x1a\n"):
            size = image_size(base64.b64encode(head + data))
            assert size is None or min(size) > 0
        image_size(data)


def pictures(width: int, height: int) -> list[bytes]:
    """Headers of a PNG, a GIF, three kinds of WebP, and a JPEG with a large Exif segment, then some body."""
    exif = b"\xff\xe1" + struct.pack(">H", 40_002) + bytes(40_000)
    tables = b"\xff\xc4" + struct.pack(">H", 21) + bytes(19)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    webp = b"RIFF" + bytes(4) + b"WEBP"
    body = bytes(64)
    lossless = struct.pack("<I", (width - 1) | (height - 1) << 14)
    extended = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return [
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + body,
        b"GIF89a" + struct.pack("<HH", width, height) + body,
        webp + b"VP8 " + bytes(4) + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + body,
        webp + b"VP8L" + bytes(4) + b"\x2f" + lossless + body,
        webp + b"VP8X" + bytes(8) + extended + body,
        b"\xff\xd8" + exif + tables + b"\xff" + frame + body,
    ]

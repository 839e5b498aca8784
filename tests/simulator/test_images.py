import base64
import struct

import pytest

from thriftgate.simulator.images import UNKNOWN, header_size, image_tokens, scaled, source_size


@pytest.mark.parametrize(
    ("size", "standard", "high"),
    [
        ((200, 200), 64, 64),
        ((1000, 1000), 1296, 1296),
        ((1092, 1092), 1521, 1521),
        ((1920, 1080), 1560, 2691),
        ((2000, 1500), 1564, 3888),
        ((3840, 2160), 1560, 4784),
        ((2160, 3840), 1560, 4784),
        ((1, 1), 1, 1),
    ],
)
def test_documented_examples(size: tuple[int, int], standard: int, high: int) -> None:
    assert image_tokens(*size, "standard") == standard
    assert image_tokens(*size, "high") == high


def test_documented_sizes() -> None:
    assert scaled(1920, 1080, "standard") == (1456, 819)
    assert scaled(3840, 2160, "high") == (2576, 1449)


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\x08\x02\0\0\0"
GIF = b"GIF89a" + struct.pack("<HH", 30, 20)
VP8X = b"RIFF\0\0\0\0WEBPVP8X" + b"\x0a\0\0\0" + b"\0\0\0\0" + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")
VP8L = b"RIFF\0\0\0\0WEBPVP8L" + b"\0\0\0\0\x2f" + (7 | 15 << 14).to_bytes(4, "little") + b"\0" * 8
VP8 = b"RIFF\0\0\0\0WEBPVP8 " + b"\0\0\0\0" + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 320, 200)
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x11\x08" + struct.pack(">HH", 70, 90) + b"\0" * 10


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (PNG, (640, 480)),
        (GIF, (30, 20)),
        (VP8X, (100, 50)),
        (VP8L, (8, 16)),
        (VP8, (320, 200)),
        (JPEG, (90, 70)),
        (b"nothing", None),
        (b"", None),
        (JPEG[:12], None),
        (b"RIFF\0\0\0\0WEBPXXXX" + b"\0" * 20, None),
        (b"\xff\xd8\x00\x00" + b"\0" * 20, None),
    ],
)
def test_headers(raw: bytes, size: tuple[int, int] | None) -> None:
    assert header_size(raw) == size


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ({"type": "base64", "data": base64.b64encode(PNG).decode()}, (640, 480)),
        ({"type": "url", "url": "https://example.com/x.png"}, UNKNOWN),
        ({"type": "base64", "data": 5}, UNKNOWN),
        ({"type": "base64", "data": "abc"}, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_sources(source: object, size: tuple[int, int]) -> None:
    assert source_size(source) == size

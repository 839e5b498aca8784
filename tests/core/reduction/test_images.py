"""`context.images` on real images: fewer tokens or nothing, in the format they came in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from random import Random
from typing import Any

import msgspec
import pytest
from PIL import Image

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.images import rewrite
from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.tokens import image_size, image_tokens
from thriftgate.pricing.load import load_models

HIGH = load_models()["claude-opus-4-8"]
STANDARD = load_models()["claude-sonnet-4-6"]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A gradient with noise, small enough to make in no time."""
    noise = Image.frombytes("RGB", (32, 32), Random(5).randbytes(32 * 32 * 3))
    return noise.resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def source_of(data: bytes, media: str = "image/png") -> str:
    source = {"type": "base64", "media_type": media, "data": base64.b64encode(data).decode(), "extra": [1, 2.50]}
    return msgspec.json.encode(source).decode()


def shrunk(
    data: bytes | str, edge: int = 560, *, capability: Capabilities = HIGH, kind: Kind = "image", tool: str = ""
) -> Image.Image | None:
    """The image that is sent instead, None where it stays; checks what holds of every image."""
    text = data if isinstance(data, str) else source_of(data)
    piece = Piece(kind, text, tool)
    recipe = Recipe(image_edge=edge)
    done = rewrite((piece,), recipe, capability)
    assert done == rewrite((piece,), recipe, capability)
    if not done:
        return None
    was, now = (msgspec.json.decode(one) for one in (text, done[0]))
    assert {**was, "data": ""} == {**now, "data": ""}
    assert list(was) == list(now)
    assert rewrite((Piece("image", done[0]),), recipe, capability) == {}
    before, after = (image_size(one["data"].encode()) for one in (was, now))
    assert before is not None
    assert after is not None
    assert image_tokens(*after, capability.image_tier) < image_tokens(*before, capability.image_tier)
    image = Image.open(BytesIO(base64.b64decode(now["data"])))
    image.load()
    return image


@pytest.mark.parametrize(("kind", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_image_is_shrunk_in_its_own_format(kind: str, media: str) -> None:
    image = shrunk(source_of(encoded(picture(1_200, 800), kind), media))
    assert image is not None
    assert image.format == kind
    assert image.size == (560, 373)
    red, green, blue = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    expected = picture(1_200, 800).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert all(abs(here - there) <= 2 for here, there in zip((red, green, blue), expected, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "after"), [("P", "RGB"), ("L", "L"), ("1", "L"), ("RGBA", "RGBA"), ("LA", "LA")])
def test_modes_of_png(mode: str, after: str) -> None:
    image = shrunk(encoded(picture(700, 900, "L" if mode in ("1", "LA") else "RGB").convert(mode)))
    assert image is not None
    assert (image.mode, image.size) == (after, (436, 560))


def test_transparent_palette_keeps_its_transparency() -> None:
    image = shrunk(encoded(picture(700, 900).convert("P"), transparency=0))
    assert image is not None
    assert image.mode == "RGBA"


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    image = shrunk(source_of(encoded(picture(1_200, 600), "JPEG", exif=exif), "image/jpeg"))
    assert image is not None
    assert image.size == (280, 560)
    assert not image.getexif()


def test_an_edge_of_zero_changes_nothing() -> None:
    assert shrunk(encoded(picture(4_000, 600)), 0) is None


@pytest.mark.parametrize(("capability", "edge"), [(STANDARD, 1_568), (STANDARD, 1_600), (HIGH, 2_576)])
def test_what_the_provider_shrinks_by_itself_is_not_shrunk(capability: Capabilities, edge: int) -> None:
    assert shrunk(encoded(picture(3_000, 200)), edge, capability=capability) is None


def test_what_costs_no_token_less_is_left_alone() -> None:
    assert shrunk(encoded(picture(560, 300)), 560) is None
    assert shrunk(encoded(picture(560, 300)), 530) is not None
    assert shrunk(encoded(picture(558, 279)), 550) is None  # as many patches


@pytest.mark.parametrize("tool", ["computer", "browser_screenshot", "mcp__Screen__look"])
def test_images_that_are_acted_on_are_left_alone(tool: str) -> None:
    assert shrunk(encoded(picture(1_200, 800)), tool=tool) is None


@pytest.mark.parametrize("kind", ["user", "document", "tool_result", "system"])
def test_only_images_are_shrunk(kind: Kind) -> None:
    assert shrunk(encoded(picture(1_200, 800)), kind=kind) is None


def moving(kind: str, frames: Sequence[Image.Image]) -> bytes:
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def test_what_moves_is_left_alone() -> None:
    frames = [picture(700, 600), picture(700, 600).transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for kind in ("GIF", "WEBP", "PNG"):
        assert shrunk(moving(kind, frames)) is None


def test_formats_and_modes_that_would_change_are_left_alone() -> None:
    assert shrunk(encoded(picture(700, 600), "GIF")) is None
    assert shrunk(encoded(picture(700, 600, "CMYK"), "JPEG")) is None
    assert shrunk(encoded(picture(700, 600, "L").convert("I;16"))) is None


def test_a_bomb_is_refused() -> None:
    assert shrunk(encoded(Image.new("1", (9_000, 9_000)))) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        '{"type": "url", "url": "https://example.org/a.png"}',
        '{"type": "file", "file_id": "file_1"}',
        '{"type": "base64"}',
        '{"type": "base64", "data": 7}',
        '{"type": "base64", "data": "%%%%"}',
        source_of(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (4_000).to_bytes(4, "big") * 2 + b"\0" * 20),
        source_of(encoded(picture(900, 900))[:500]),
        source_of(encoded(picture(900, 900), "JPEG")[:900]),
    ],
)
def test_what_is_no_readable_image_is_left_alone(text: str) -> None:
    assert shrunk(text) is None


def test_a_result_that_needs_many_more_bytes_is_left_alone() -> None:
    dots = Image.frombytes("1", (1_600, 1_600), Random(3).randbytes(1_600 * 200))
    assert len(source_of(encoded(dots))) < 1_000_000
    assert shrunk(encoded(dots), 1_500) is None

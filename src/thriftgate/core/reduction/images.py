"""`context.images` (unsafe): images shrunk to the edge that the policy names, before they are sent.

What: a base64 PNG, JPEG or WebP whose longest edge is over `Recipe.image_edge` is scaled down to it (Lanczos), turned as its
EXIF says, and written in its own format: PNG without loss, JPEG and WebP at quality 90.
Why it saves: an image costs ⌈w/28⌉ × ⌈h/28⌉ tokens. A photograph of 3840 × 2160 is 4,784 of them on a model of the high
tier; at an edge of 1,568 pixels 1,792, at 1,092 it is 858.
When it must not: `image_edge` 0, and edges above the tier's own limit: the provider scales such images down by itself before
it counts them, so sending them smaller saves upload, not tokens, and nothing is done. Results of tools that act on what
they see (computer, browser, screenshots): the model answers in coordinates of the image it was shown. GIF (mostly animated),
moving WebP or PNG, CMYK, over 64 million pixels, URLs and files: left alone. Small print is lost first: measure on tasks.
The same image gives the same bytes as long as Pillow stays the same; another release may write others, and conversations
that go on across it lose their cache, or their bound thinking: keep the version fixed in service.
Example: {"type": "base64", "media_type": "image/png", "data": "<3840 × 2160>"}, image_edge 1092 -> "<1092 × 614>"
Source: platform.claude.com/docs/en/build-with-claude/vision and …/vision-coordinates, 2026-08.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.tokens import image_size, image_tokens

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 6},
    "JPEG": {"quality": 90, "subsampling": "4:2:0", "optimize": False},
    "WEBP": {"quality": 90, "method": 4},
}
_PIXELS_MAX = 8_000 * 8_000  # the API takes none larger
_ENCODED_UNHURT = 1_000_000  # bytes: below that a rewritten image may be larger than it came
_ACTS = re.compile("computer|browser|screen", re.IGNORECASE)


class _Source(Struct):
    type: str = ""
    data: Raw = Raw(b'""')


def rewrite(pieces: tuple[Piece, ...], recipe: Recipe, capability: Capabilities) -> Mapping[int, str]:
    """New sources of the images that cost fewer tokens when shrunk, by index; a shrunk image is not shrunk again. Needs
    Pillow, the extra `context`; never raises for what is no readable image."""
    edge = recipe.image_edge
    if edge <= 0:
        return {}
    done: dict[int, str] = {}
    for at, piece in enumerate(pieces):
        if piece.kind == "image" and not _ACTS.search(piece.tool):
            smaller = _smaller(piece.text, edge, capability)
            if smaller is not None:
                done[at] = smaller
    return done


def _smaller(source: str, edge: int, capability: Capabilities) -> str | None:
    """The source with a smaller image, None where it stays."""
    raw = source.encode("utf-8", "surrogatepass")
    try:
        read = msgspec.json.decode(raw, type=_Source)
        data = memoryview(read.data)[1:-1]
        size = image_size(data) if read.type == "base64" else None
        if size is None or not _pays(size, edge, capability):
            return None
        fresh = _shrunk(binascii.a2b_base64(data), edge)
        if fresh is None:
            return None
        encoded = binascii.b2a_base64(fresh, newline=False)
        if len(encoded) > max(len(data), _ENCODED_UNHURT):
            return None
        members = msgspec.json.decode(raw, type=dict[str, Raw])
        return msgspec.json.encode({**members, "data": encoded.decode()}).decode()
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None


def _pays(size: tuple[int, int], edge: int, capability: Capabilities) -> bool:
    """By its header alone: whether the image at that edge costs fewer tokens."""
    if max(size) <= edge or size[0] * size[1] > _PIXELS_MAX:
        return False
    tier = capability.image_tier
    return image_tokens(*_scaled(size, edge), tier) < image_tokens(*size, tier)


def _scaled(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """The size at this longest edge; width against height as it was, to the nearest pixel."""
    longest = max(size)
    return max(round(size[0] * edge / longest), 1), max(round(size[1] * edge / longest), 1)


def _shrunk(data: bytes, edge: int) -> bytes | None:
    """The image at that edge, in its own format; None for what is left alone or cannot be read."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415  an extra

    try:
        with Image.open(BytesIO(data), formats=tuple(_FORMATS)) as image:
            if image.width * image.height > _PIXELS_MAX or getattr(image, "n_frames", 1) > 1:
                return None
            kind, profile = image.format, image.info.get("icc_profile")
            plain = _plain(ImageOps.exif_transpose(image))
            if plain is None or kind not in _FORMATS or max(plain.size) <= edge:
                return None
            small = plain.resize(_scaled(plain.size, edge), Image.Resampling.LANCZOS)
            small.info.clear()
            written = BytesIO()
            small.save(written, kind, **_FORMATS[kind], **({"icc_profile": profile} if profile else {}))
            return written.getvalue()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError):
        return None  # what Pillow raises for damaged files
    except Image.DecompressionBombError:
        return None


def _plain(image: Image) -> Image | None:
    """In a mode that scales smoothly; None for one that would change its colours."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    return None

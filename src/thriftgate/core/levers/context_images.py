"""`context.images` (unsafe): smaller images.

What: images are scaled down to `context.image_edge` before they are sent.
Why it saves: an image costs a token for every 28 × 28 pixels, up to 4,784 on the newer models.
When it must not: images that stand at a URL or in a file store, and animations; fine print (choose the edge accordingly);
a conversation that is under way, up to what is cached or bound by thinking; a text that would not get shorter.
Example: a screenshot of 2576 × 1449 pixels (4,784 tokens) -> 1288 × 725 (1,196)
Source: platform.claude.com/docs/en/build-with-claude/vision, 2026-08. The work is done in `core/reduction/images.py`.
"""

from __future__ import annotations

from thriftgate.core.reduced import Shortened


class ContextImages(Shortened):
    """See the module."""

    id = "context.images"

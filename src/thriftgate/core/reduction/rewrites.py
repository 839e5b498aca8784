"""The rewrites of messages, by lever, in the order in which they act."""

from __future__ import annotations

from collections.abc import Mapping

from thriftgate.core.reduction import examples, images, json_text, markup, plain_text, select, tables, trim
from thriftgate.core.reduction.pieces import Rewrite

REWRITES: Mapping[str, Rewrite] = {
    "context.select": select.rewrite,
    "context.images": images.rewrite,
    "compress.markup": markup.rewrite,
    "compress.tables": tables.rewrite,
    "compress.json": json_text.rewrite,
    "context.trim_tools": trim.rewrite,
    "compress.text": plain_text.rewrite,
    "compress.examples": examples.rewrite,
}

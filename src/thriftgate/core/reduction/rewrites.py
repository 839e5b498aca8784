"""The rewrites of messages, by lever, in the order in which they act."""

from __future__ import annotations

from collections.abc import Mapping

from thriftgate.core.reduction import json_text
from thriftgate.core.reduction.pieces import Rewrite

REWRITES: Mapping[str, Rewrite] = {
    "compress.json": json_text.rewrite,
}

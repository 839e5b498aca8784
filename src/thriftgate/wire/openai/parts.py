"""Pieces of content as Messages blocks: texts, images, files.

Blocks: platform.claude.com/docs/en/build-with-claude/{vision,pdf-support,files}, 2026-08; parts: openai-python v3.54
`types/chat/chat_completion_content_part_param.py`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from thriftgate.core.errors import InputError

Block = dict[str, Any]
PDF, PLAIN = "application/pdf", "text/plain"


def text_block(text: str) -> Block | None:
    """A text; None for a blank one, which Messages does not take and which says nothing."""
    return {"type": "text", "text": text} if text.strip() else None


def image_block(url: str, place: str) -> Block:
    """An image by its address, or within it (`data:image/png;base64,…`). Raises InputError."""
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _data_url(url, place)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def document_block(*, data: str, place: str, file_id: str = "", url: str = "", title: str = "") -> Block:
    """A file: its data (base64, or a data URL), its address, or the id that the provider gave it. Raises InputError."""
    if file_id:
        source: Block = {"type": "file", "file_id": file_id}
    elif url:
        source = {"type": "url", "url": url}
    elif data:
        source = _source(data, place)
    else:
        raise InputError(f"{place}: names neither data nor an id of a file")
    named = {"title": title} if title else {}
    return {"type": "document", "source": source, **named}


def _source(data: str, place: str) -> Block:
    media_type, encoded = _data_url(data, place) if data.startswith("data:") else (PDF, data)
    if media_type.startswith("text/"):
        try:
            text = b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise InputError(f"{place}: is no text in UTF-8 and base64") from None
        return {"type": "text", "media_type": PLAIN, "data": text}
    if media_type != PDF:
        raise InputError(f"{place}: Claude reads {PDF} and text/…, not {media_type[:60]!r}")
    return {"type": "base64", "media_type": PDF, "data": encoded}


def _data_url(url: str, place: str) -> tuple[str, str]:
    """Media type and data of `data:TYPE;base64,DATA`. Raises InputError."""
    head, comma, data = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").partition(";")
    if not head.startswith("data:") or not comma or not encoding.endswith("base64") or not media_type:
        raise InputError(f"{place}: must be an https:// address or data:TYPE;base64,…")
    return media_type, data

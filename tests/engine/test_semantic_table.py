"""Rows of `[[reuse.semantic]]` as the engine reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.engine.reusing.alike import ROW, SEMANTIC
from tests.engine.reusing.test_semantic import tier_of
from tests.fixtures import engine_on, simulator
from thriftgate.core.errors import ConfigError
from thriftgate.engine.reusing.comparing import Judge, Words
from thriftgate.engine.reusing.encoders import Lexical, Remote

ON = {"levers": (SEMANTIC,)}
API = {"url": "http://embed.invalid/", "model": "embed-1", "usd_per_mtok": Decimal("0.02"), "size": 8}


def tables(*rows: dict[str, Any], **reuse: Any) -> dict[str, Any]:
    return {"policy": ON, "reuse": {"rules": ({},), "semantic": rows, **reuse}}


async def test_rows() -> None:
    judged = ROW | {"task": "b", "judge": "claude-haiku-4-5", "encoder": "api", "shadow": 0.5, "turns": "all"}
    async with engine_on(simulator(), **tables(ROW, judged, embeddings=API)) as engine:
        first, second = tier_of(engine)._rows
        assert (first.task, first.shadow, first.all_turns) == ("desk", 1.0, False)
        assert (first.terms.max_error, first.terms.fill, first.terms.items_max) == (0.2, 50, 5_000)
        assert isinstance(first.encoder, Lexical)
        assert isinstance(first.comparer, Words)
        assert isinstance(second.encoder, Remote)
        assert second.encoder.name == "api:http://embed.invalid:embed-1:8"
        assert isinstance(second.comparer, Judge)
        assert (second.shadow, second.all_turns) == (0.5, True)


async def test_without_rows_there_is_no_such_tier() -> None:
    async with engine_on(simulator(), **tables()) as engine:
        assert [tier.lever for tier in engine.reusing._tiers] == ["reuse.exact"]


@pytest.mark.parametrize(
    ("row", "reuse", "words"),
    [
        ({"judge": "claude-none"}, {}, "no model that is known"),
        ({"encoder": "api"}, {}, "needs its url"),
        ({"encoder": "api"}, {"embeddings": API | {"usd_per_mtok": None}}, "usd_per_mtok"),
    ],
)
async def test_what_cannot_be_is_said(row: dict[str, Any], reuse: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        async with engine_on(simulator(), **tables(ROW | row, **reuse)):
            raise AssertionError

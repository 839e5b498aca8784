"""The check that leaves this machine, against servers on it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.fixtures import serving
from tests.scripted import answering, upstream
from thriftgate.cli.live import live_checks
from thriftgate.pricing.load import load_book
from thriftgate.settings import Upstream
from thriftgate.simulator import Simulator

BOOK = load_book()
KEY = "sk-ant-sim-doctor-1"


def test_the_simulator_answers_and_all_it_offers_is_priced() -> None:
    with serving(Simulator()) as url:
        first, *rest = live_checks(Upstream(url=url), KEY, BOOK)
    assert first.ok
    assert "answers and offers" in first.detail
    assert [check.detail for check in rest if not check.ok and "claude-mythos-preview" not in check.detail] == []


def test_without_a_key_nothing_is_asked() -> None:
    (check,) = live_checks(Upstream(url="http://127.0.0.1:9"), "", BOOK)
    assert not check.ok
    assert "ANTHROPIC_API_KEY" in check.fix


def test_nobody_there() -> None:
    (check,) = live_checks(Upstream(url="http://127.0.0.1:9"), KEY, BOOK)
    assert not check.ok
    assert "cannot reach http://127.0.0.1:9" in check.detail


@pytest.mark.parametrize(
    ("body", "members", "words", "fix"),
    [
        (b'{"error": 1}', {"status": 401}, "answered 401", "check the key"),
        (b"gone", {"status": 404}, "answered 404: gone", "check upstream.url"),
        (b"<html>", {}, "no list of models", "check upstream.url"),
    ],
)
async def test_other_answers(body: bytes, members: dict[str, Any], words: str, fix: str) -> None:
    async with upstream(answering(body, **members)) as server:
        (check,) = await asyncio.to_thread(live_checks, Upstream(url=server.url), KEY, BOOK)
    assert not check.ok
    assert words in check.detail
    assert check.fix == fix


async def test_a_model_without_a_price_is_told() -> None:
    body = msgspec.json.encode({"data": [{"id": "claude-opus-5-5"}, {"id": "claude-next-9"}]})
    async with upstream(answering(body)) as server:
        first, second = await asyncio.to_thread(live_checks, Upstream(url=server.url), KEY, BOOK)
    assert first.ok
    assert not second.ok
    assert second.detail == "without a price: claude-next-9"
    assert server.requests[0].line == "GET /v1/models?limit=1000 HTTP/1.1"
    assert server.requests[0].header("x-api-key") == KEY

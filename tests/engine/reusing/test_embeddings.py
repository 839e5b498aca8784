"""The embeddings API over a real socket: what is asked, what is booked, whatever comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.engine.reusing.stage import entries, question
from tests.fixtures import engine_on, serving, simulator
from thriftgate.core.errors import Unreachable, UpstreamError
from thriftgate.core.semantic.lexical import features
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.embeddings import ACCOUNT, ENDPOINT, Embeddings
from thriftgate.engine.reusing.embeddings import Api as Place
from thriftgate.ledger.entries import SAVED, UPSTREAM
from thriftgate.providers.http1_transport import Http1Transport

SIZE = 64


class Api:
    """An embeddings server of OpenAI's shape: letters, folded into so many numbers."""

    def __init__(self, status: int = 200, size: int = SIZE, body: bytes = b"") -> None:
        self.status, self.size, self.body = status, size, body
        self.asked: list[dict[str, Any]] = []
        self.headers: dict[bytes, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        raw = b""
        while True:
            event = await receive()
            raw += event.get("body", b"")
            if not event.get("more_body"):
                break
        assert scope["path"] == "/v1/embeddings"
        self.headers = dict(scope["headers"])
        body = msgspec.json.decode(raw)
        self.asked.append(body)
        vector = [0.0] * self.size
        for feature, weight in features(body["input"]).items():
            vector[feature % self.size] += weight
        told = {"data": [{"embedding": vector, "index": 0}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
        answer = self.body or msgspec.json.encode(told)
        await send(
            {"type": "http.response.start", "status": self.status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": answer})


@asynccontextmanager
async def embeddings_at(url: str, **budget: Any) -> AsyncIterator[tuple[Embeddings, Engine]]:
    async with engine_on(simulator(), transport=Http1Transport(), **budget) as engine:
        place = Place(url, "embed-1", "sk-embed", SIZE, pico_per_mtok=20_000_000_000)
        yield (
            Embeddings(
                place,
                transport=engine.transport,
                ledger=engine.ledger,
                clock=engine.clock,
                new_id=engine.new_id,
                price_book="book",
            ),
            engine,
        )


async def test_asked_once_and_booked_as_a_cost_of_the_lever() -> None:
    api = Api()
    with serving(api) as url:
        async with embeddings_at(url) as (embeddings, engine):
            vector = await embeddings.encode("hello", question())
            assert await embeddings.encode("hello", question()) == vector
            await embeddings.encode("hello", question(tenant=b"u" * 32))  # nobody learns that another has asked
            booked = await entries(engine)
            assert len(api.asked) == len(booked) == 2
            assert api.asked[0] == {"model": "embed-1", "input": "hello", "encoding_format": "float"}
            assert api.headers[b"authorization"] == b"Bearer sk-embed"
            entry = booked[0]
            assert (entry.endpoint, entry.model, entry.usage.total.input) == (ENDPOINT, "embed-1", 7)
            assert entry.posted(UPSTREAM) == -140_000
            assert entry.posted(SAVED + ACCOUNT) == 140_000
            assert entry.balance() == 0
            assert not await engine.ledger.open_holds()


@pytest.mark.parametrize(
    ("api", "error", "paid"),
    [
        (Api(status=500), UpstreamError, 0),
        (Api(size=3), ValueError, 140_000),
        (Api(body=b"no"), msgspec.DecodeError, 20_000 * 5 // 4),
    ],
)
async def test_answers_that_are_none(api: Api, error: type[Exception], paid: int) -> None:
    with serving(api) as url:
        async with embeddings_at(url) as (embeddings, engine):
            with pytest.raises(error):
                await embeddings.encode("hello", question())
            (entry,) = await entries(engine)
            assert -entry.posted(UPSTREAM) == paid
            assert entry.resolution == ("post" if paid else "void")
            assert not await engine.ledger.open_holds()


async def test_where_nobody_listens() -> None:
    async with embeddings_at("http://127.0.0.1:9") as (embeddings, engine):
        with pytest.raises(Unreachable):
            await embeddings.encode("hello", question())
        (entry,) = await entries(engine)
        assert (entry.outcome, entry.resolution, entry.posted(UPSTREAM)) == ("unreachable", "void", 0)

"""A cascade behind real sockets: a client that asked for a stream gets one, whoever answered."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.core.routing.artefacts import artefact_of, cascade_of
from tests.engine.routes import ALL, CHEAP, STRONG, certified
from tests.fixtures import HEADERS, assert_sound, books, client, message, serving, settings_of, simulator
from thriftgate.core.money import pico_from_usd
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.wire.meter import StreamMeter


@pytest.mark.parametrize(("text", "served"), [("[[sim: out=30]]", CHEAP), ("[[sim: out=30 stop=max_tokens]]", STRONG)])
async def test_a_stream_is_a_stream(tmp_path: Path, text: str, served: str) -> None:
    app, ledger = simulator(), tmp_path / "books.db"
    artefact = artefact_of(cascade=cascade_of(0.9), cheap=CHEAP, strong=STRONG, expires_s=9e9)
    with serving(app) as upstream:
        settings = settings_of(
            ledger={"path": str(ledger)},
            upstream={"url": upstream},
            policy={"levers": ALL},
            routing=certified(tmp_path, artefact),
        )
        with serving(Gateway(settings)) as url:
            async with client() as session:
                raw = msgspec.json.encode(message(text, stream=True))
                headers = HEADERS | {"thriftgate-task": "easy"}
                async with session.post(f"{url}/v1/messages", data=raw, headers=headers) as response:
                    body = await response.read()
    assert (response.status, response.content_type) == (200, "text/event-stream")
    meter = StreamMeter()
    assert meter.feed(body)
    reading = meter.reading()
    assert (reading.complete, reading.model) == (True, served)
    async with books(ledger) as kept:
        await assert_sound(kept)
        entries = await kept.entries()
    assert entries[-1].id == response.headers["thriftgate-request-id"]
    assert sum(-entry.posted(UPSTREAM) for entry in entries) == sum(pico_from_usd(call.cost) for call in app.bill.calls)

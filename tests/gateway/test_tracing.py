"""A request at the door as part of a trace."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import TestClock
from thriftgate.engine.tracing import TRACE
from thriftgate.gateway.tracing import Tracing, route_of
from thriftgate.logs import log
from thriftgate.providers.trace_context import Place, read_place
from thriftgate.telemetry.told import ToldRequest

BEFORE = Place(0xABC, 0xDEF, True)


def scope_of(path: str = "/v1/messages", method: str = "POST", *headers: tuple[bytes, bytes]) -> Any:
    return {"type": "http", "method": method, "path": path, "headers": list(headers)}


async def served(tracing: Tracing, scope: Any, status: int = 200, error: Exception | None = None) -> list[Any]:
    """What the app behind the door saw: headers, trace."""
    seen: list[Any] = []

    async def app(inner: Any, _receive: Any, send: Any) -> None:
        trace = TRACE.get()
        log.info("inside")
        seen.extend((tuple(inner["headers"]), trace, trace is not None and trace.closed))
        if error is not None:
            raise error
        await send({"type": "http.response.start", "status": status})

    async def nowhere(_message: Any = None) -> Any:
        return None

    await tracing.serve(scope, nowhere, nowhere, app)
    return seen


async def test_a_trace_goes_on_and_another_begins(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[ToldRequest] = []
    drawn = iter(range(1, 100))
    tracing = Tracing(TestClock(), told.append, sample=1.0, draw=lambda _: next(drawn))
    headers, trace, closed = await served(tracing, scope_of("/v1/messages", "POST", (b"traceparent", BEFORE.written())))
    assert read_place(headers) == trace.place == BEFORE._replace(span_id=1)
    assert (closed, trace.closed) == (False, True)
    headers, trace, _ = await served(tracing, scope_of("/v1/models", "GET"), 503)
    assert read_place(headers) == trace.place == Place(3, 2, True)
    assert [(one.parent_id, one.method, one.route, one.status) for one in told] == [
        (BEFORE.span_id, "POST", "/v1/messages", 200),
        (0, "GET", "/v1/models", 503),
    ]
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["trace"] for line in lines] == [f"{0xABC:032x}", f"{3:032x}"]
    assert TRACE.get() is None


async def test_what_raises_is_told_and_raised() -> None:
    told: list[ToldRequest] = []
    tracing = Tracing(TestClock(), told.append, sample=1.0, draw=lambda bits: bits)
    with pytest.raises(ValueError, match="no"):
        await served(tracing, scope_of(), error=ValueError("no"))
    assert [one.status for one in told] == [0]
    assert TRACE.get() is None


async def test_only_the_api_is_traced() -> None:
    told: list[ToldRequest] = []
    tracing = Tracing(TestClock(), told.append, sample=1.0, draw=lambda bits: bits)
    scope = scope_of("/thriftgate/metrics", "GET")
    assert await served(tracing, scope) == [(), None, False]
    assert told == []


async def test_for_the_log_alone_headers_pass(capsys: pytest.CaptureFixture[str]) -> None:
    tracing = Tracing(TestClock(), None, sample=1.0, draw=lambda bits: bits)
    came = (b"traceparent", BEFORE.written())
    assert await served(tracing, scope_of("/v1/messages", "POST", came)) == [(came,), None, False]
    assert f"{0xABC:032x}" in capsys.readouterr().err
    await served(tracing, scope_of())
    assert "trace" not in msgspec.json.decode(capsys.readouterr().err)


async def test_the_share_that_is_recorded() -> None:
    """By the draw; the client's own flag counts where there is one."""
    top = 2**53
    for drawn, recorded in ((0, True), (int(top * 0.24), True), (int(top * 0.26), False), (top - 1, False)):
        draws = {64: 7, 128: 9, 53: drawn}
        tracing = Tracing(TestClock(), lambda _: None, sample=0.25, draw=draws.__getitem__)
        assert tracing.begun() == Place(9, 7, recorded)
        assert tracing.begun(BEFORE).sampled
        assert not tracing.begun(BEFORE._replace(sampled=False)).sampled


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/messages/batches/msgbatch_1/results", "/v1/messages/batches/*"),
        ("/v1/models/claude-opus-4-8", "/v1/models/*"),
        ("/v1/messagesandmore", "/v1/*"),
        ("/v1/what a client writes", "/v1/*"),
    ],
)
def test_routes_are_ours(path: str, route: str) -> None:
    assert route_of(path) == route

"""Calls that can wait, through a gateway, without a change to the program that makes them.

    from anthropic import AsyncAnthropic
    from thriftgate.client import Deferring

    client = AsyncAnthropic(base_url="http://127.0.0.1:8484", middleware=[Deferring("6h")])
    message = await client.messages.create(...)        # at half price; answered within six hours

A middleware of the official SDK (anthropic 2.11 and newer): it names the deadline, takes the gateway's ticket, asks for the
answer, and hands it over as if the call had been answered at once. Needs the extra `thriftgate[sdk]`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import anyio
import httpx2
import msgspec
from anthropic import (
    APIConnectionError,
    APIRequest,
    APIResponse,
    AsyncAPIResponse,
    AsyncCallNext,
    CallNext,
    Middleware,
)

from thriftgate.core.deadline import parse_duration
from thriftgate.wire.whole_stream import stream_of

MESSAGES = "/v1/messages"
_GROWTH, _LONGEST_S = 1.5, 30.0  # from one look at a ticket to the next
_PATIENCE_S = 600.0  # with a gateway that cannot be asked: it may be starting anew
_AGAIN = frozenset({408, 425, 429})

_Response = TypeVar("_Response", APIResponse[Any], AsyncAPIResponse[Any])


class _Told(msgspec.Struct):
    status: str = ""
    http_status: int = 200
    answer: msgspec.Raw = msgspec.Raw(b"")
    request_id: str = ""
    cost_usd: str = ""
    saved_usd: str = ""


class Deferring(Middleware):
    """Lets every `messages.create` and `messages.stream` of a client wait up to `deadline` (`6h`, `90m`). Answers are asked
    for now and then, so that no connection has to last for hours, and a gateway may start anew meanwhile; the events of a
    stream come all at once. Where the gateway answers at once, because that is cheaper or the deadline too near, nothing
    else happens. `look_s` is how soon a ticket is first asked after. Raises InputError for a deadline that is none."""

    def __init__(self, deadline: str, *, look_s: float = 1.0) -> None:
        parse_duration(deadline)
        self._deadline = deadline
        self._look_s = look_s

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """For the synchronous client."""
        if not _may_wait(request):
            return call_next(request)
        response = call_next(self._asking(request))
        job = _ticket(response)
        if not job:
            return response
        response.http_response.read()
        looks = _Looks(self._look_s)
        for wait_s in looks:
            threading.Event().wait(wait_s)
            try:
                told = call_next(_look(request, job))
                told.http_response.read()
            except APIConnectionError as error:
                looks.failed(error)
                continue
            if looks.through(told.http_response):
                break
        return _answered(request, response, looks.last)

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """For the asynchronous client."""
        if not _may_wait(request):
            return await call_next(request)
        response = await call_next(self._asking(request))
        job = _ticket(response)
        if not job:
            return response
        await response.http_response.aread()
        looks = _Looks(self._look_s)
        for wait_s in looks:
            await anyio.sleep(wait_s)
            try:
                told = await call_next(_look(request, job))
                await told.http_response.aread()
            except APIConnectionError as error:
                looks.failed(error)
                continue
            if looks.through(told.http_response):
                break
        return _answered(request, response, looks.last)

    def _asking(self, request: APIRequest) -> APIRequest:
        """The call with its deadline, and with a name of its own: the SDK's, which stays the same when it tries again."""
        added = {"thriftgate-deadline": self._deadline}
        if request.options.idempotency_key:
            added["thriftgate-idempotency-key"] = request.options.idempotency_key
        return request.copy(headers={**request.headers, **added})


class _Looks:
    """The looks at a ticket: when the next one is due, and what the last one showed."""

    def __init__(self, first_s: float) -> None:
        self.last = httpx2.Response(504)
        self._wait_s = first_s
        self._in_vain_s = 0.0

    def __iter__(self) -> Iterator[float]:
        while True:
            yield self._wait_s
            self._wait_s = min(_LONGEST_S, self._wait_s * _GROWTH)

    def failed(self, error: Exception) -> None:
        """The gateway could not be asked. Raises the error where that has lasted for too long."""
        if self._is_hopeless():
            raise error

    def through(self, told: httpx2.Response) -> bool:
        """Whether there is anything to hand over: an answer, or a word that there will be none."""
        self.last = told
        if told.status_code in _AGAIN or told.status_code >= 500:
            return self._is_hopeless()
        if told.status_code != 200:
            return True
        try:
            status = msgspec.json.decode(told.content, type=_Told).status
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.last = httpx2.Response(502, content=told.content)  # whoever says that, it is no gateway
            return self._is_hopeless()
        self._in_vain_s = 0.0
        return status in ("answered", "failed")

    def _is_hopeless(self) -> bool:
        self._in_vain_s += self._wait_s
        return self._in_vain_s > _PATIENCE_S


def _may_wait(request: APIRequest) -> bool:
    return request.method.upper() == "POST" and request.url.partition("?")[0] == MESSAGES


def _ticket(response: APIResponse[Any] | AsyncAPIResponse[Any]) -> str:
    """The job that the gateway has made of the call, "" where it answered it."""
    return response.headers.get("thriftgate-job", "") if response.status_code == 202 else ""


def _look(request: APIRequest, job: str) -> APIRequest:
    return request.copy(method="get", url=f"/thriftgate/jobs/{job}", params={}, body=None)


def _answered(request: APIRequest, response: _Response, told: httpx2.Response) -> _Response:
    """The first response, with the answer in it: the SDK then parses it, or raises its own error, as for any call."""
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    status, body = told.status_code, told.content
    if status == 200:
        found = msgspec.json.decode(body, type=_Told)
        status, body = found.http_status, bytes(found.answer)
        headers |= {
            "request-id": found.request_id,
            "thriftgate-request-id": found.request_id,
            "thriftgate-cost-usd": found.cost_usd,
            "thriftgate-saved-usd": found.saved_usd,
        }
    if request.stream and status == 200:
        headers["content-type"], body = "text/event-stream; charset=utf-8", stream_of(body)
    headers["thriftgate-job"] = response.headers.get("thriftgate-job", "")
    kept = {name: value for name, value in headers.items() if value}
    response.http_response = httpx2.Response(status, headers=kept, content=body, request=response.http_response.request)
    return response

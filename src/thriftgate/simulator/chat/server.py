"""The fake servers: `POST /{style}/…/chat/completions`. What they answer, count and charge is made by the simulator's own
machinery of Messages calls; they add the wire format, caches of prefixes that nobody marked, and their own errors.

`balance` False answers 402; `tells_usage` False leaves the usage out; `faults` are these servers' own, or the simulator's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from thriftgate.simulator import http
from thriftgate.simulator.bill import BilledCall, Modifiers, cost_usd
from thriftgate.simulator.cache import prefixes
from thriftgate.simulator.call import Call
from thriftgate.simulator.chat.prompt import messages_body
from thriftgate.simulator.chat.reply import chunks, completion
from thriftgate.simulator.chat.styles import STYLES, Style, error_told, models_with_others, usage_told
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.faults import Faults
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import Caller, authenticate
from thriftgate.simulator.messages import MessageService
from thriftgate.simulator.usage import Usage

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

TAIL = "/chat/completions"
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}
DONE = b"data: [DONE]\n\n"


class ChatServers:
    """All styles of one simulator. Prefixes are kept until `clear`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        models = models_with_others(simulator.models)
        self.service = MessageService(simulator.config, models, simulator.ids, simulator.accuracy)
        self.balance = True
        self.tells_usage = True
        self.faults: Faults | None = None
        self.asked: list[dict[str, Any]] = []  # the bodies that came, for tests
        self._seen: set[bytes] = set()
        self._count = 0

    def clear(self) -> None:
        """Forgets caches and bodies."""
        self.service.cache.clear()
        self.asked.clear()
        self._seen.clear()

    def serves(self, request: Request) -> bool:
        """Whether the request is for one of these."""
        return request.path.endswith(TAIL) and request.path.split("/")[1] in STYLES

    async def answer(self, request: Request, send: http.Send) -> None:
        """Answers it, whatever comes of that."""
        style = STYLES[request.path.split("/")[1]]
        headers = {"content-type": "application/json", "x-request-id": self.simulator.ids.make("req")}
        try:
            await self._serve(request, send, style, headers)
        except ApiError as problem:
            if problem.retry_after_s is not None:
                headers["retry-after"] = str(problem.retry_after_s)
            status = 503 if problem.status == 529 else problem.status
            code = CODES.get(status, "invalid_request_error" if status < 500 else "server_error")
            body = error_told(style.name, status, problem.message, code)
            await http.whole(send, status, headers, msgspec.json.encode(body))

    async def _serve(self, request: Request, send: http.Send, style: Style, headers: dict[str, str]) -> None:
        simulator, service = self.simulator, self.service
        caller = Caller("vllm", "default", "none") if style.keyless else authenticate(request.headers)
        chat = decode(await request.body(simulator.config.max_body_bytes))
        body = messages_body(chat, style)
        assert isinstance(chat, dict)
        self.asked.append(chat)
        self._count += 1
        stream = chat.get("stream") is True
        faults = self.faults or simulator.faults
        fault = faults.pick(self._count, stream=stream)
        if not self.balance:
            raise ApiError("billing_error", "Insufficient Balance")
        if fault == "reset_before_headers":
            await http.drop(send, "simulated reset before the headers")
            return
        _fail(fault, faults)
        call = service.prepare(body, caller, version="2023-06-01", now=simulator.now())
        usage = self._cached(call, style)
        reply = service.answer(call, simulator.now())
        used = usage.with_output(reply.usage.output, reply.usage.thinking)
        cost = cost_usd(call.model, simulator.now(), used, Modifiers())
        told = usage_told(style.name, used, cost) if self.tells_usage else None
        simulator.bill.add(
            BilledCall(
                request_id=headers["x-request-id"],
                message_id=reply.message["id"],
                model=call.model.id,
                organization=caller.organization,
                workspace=caller.workspace,
                at=call.started_at,
                usage=used,
                steps=(),
                modifiers=Modifiers(),
                outcome="complete" if fault is None else "faulty",
                cost=cost,
                fault=fault,
            )
        )
        if not stream:
            whole = msgspec.json.encode(completion(reply.message, chat["model"], style, told))
            await http.whole(send, 200, headers, b"" if fault == "empty_body" else whole)
            return
        tells = told is not None and bool((chat.get("stream_options") or {}).get("include_usage"))
        events = list(chunks(reply.message, chat["model"], style, told, tells=tells))
        await http.start(send, 200, headers | {"content-type": "text/event-stream"})
        await self._send(send, events, style, fault)

    async def _send(self, send: http.Send, events: list[bytes], style: Style, fault: str | None) -> None:
        half = len(events) // 2
        if fault in ("cut_stream", "error_event", "reset_mid_stream"):
            events = events[:half]
        for event in events:
            await http.chunk(send, event, more=True)
        if fault == "reset_mid_stream":
            await http.drop(send, "simulated reset")
            return
        last = DONE
        if fault == "error_event":
            error = error_told(style.name, 502, "Provider disconnected unexpectedly", "server_error")
            last = b"data: " + msgspec.json.encode(error) + b"\n\n"
        await http.chunk(send, b"" if fault == "cut_stream" else last, more=False)

    def _cached(self, call: Call, style: Style) -> Usage:
        """The input side. Claude's caches are Claude's own; others find the longest prefix that came before, in whole
        units, and keep this one (when it is read again: as soon as the call was accepted, assumed)."""
        usage = call.usage
        if call.model.id.startswith("claude-") or not style.unit:
            return usage
        scope = (call.caller.organization, call.caller.workspace, style.name, call.model.id)
        chain = prefixes(scope, call.rendered.positions, call.salts, collapse_runs=False)
        known = max((prefix.tokens for prefix in chain if prefix.key in self._seen), default=0)
        self._seen.update(prefix.key for prefix in chain)
        read = known // style.unit * style.unit if known >= style.least else 0
        return replace(usage, input=usage.total_input - read, read=read, write_5m=0, write_1h=0)


def _fail(fault: str | None, faults: Faults) -> None:
    """The faults that strike before anything was generated, so nothing is billed."""
    if fault in ("rate_limit", "rate_limit_bare"):
        after = faults.retry_after_s if fault == "rate_limit" else None
        raise ApiError("rate_limit_error", "Rate limit reached for requests", retry_after_s=after)
    if fault == "internal_error":
        raise ApiError("api_error", "Internal error")
    if fault == "overloaded":
        raise ApiError("overloaded_error", "The server is overloaded")

"""How one reply leaves: headers, plain or as a stream, with the fault that was drawn for it, and then into the bill.

What is billed when a delivery breaks: nothing before generation began (resets before the headers, 429, 500, 529);
everything where the answer was made and only its transport is broken; input plus the output sent so far where a stream
breaks off (assumed: the documentation says so only for refusals mid-stream, and is silent on clients that leave).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from thriftgate.simulator import http, sse
from thriftgate.simulator.bill import BilledCall
from thriftgate.simulator.call import Call, Reply
from thriftgate.simulator.draws import unit
from thriftgate.simulator.errors import ApiError, internal, overloaded, rate_limited
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import NOBODY, Caller
from thriftgate.simulator.limits import counted_input
from thriftgate.simulator.usage import Step, total_usage

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

JSON = "application/json"


class Delivery:
    """Sends the reply to one request, whatever it is."""

    def __init__(self, simulator: Simulator, request: Request, send: http.Send, request_id: str) -> None:
        self.simulator = simulator
        self.request = request
        self.request_id = request_id
        self.caller = NOBODY
        self.send = send
        self._extra: dict[str, str] = {}

    def headers(self, kind: str) -> dict[str, str]:
        """What every reply carries (api/overview, 2026-08), and the mark that all of this is simulated."""
        return {
            "content-type": kind,
            "request-id": self.request_id,
            "anthropic-organization-id": self.caller.organization_header,
            "anthropic-workspace-id": self.caller.workspace_header,
            "x-thriftgate-simulator": "1",
            **self._extra,
        }

    async def json(self, document: dict[str, Any] | None, status: int = 200) -> None:
        """A JSON reply; None sends no body."""
        await self.raw(b"" if document is None else msgspec.json.encode(document), JSON, status)

    async def raw(self, body: bytes, kind: str, status: int = 200) -> None:
        """Any reply in one piece."""
        await http.whole(self.send, status, self.headers(kind), body)

    async def error(self, problem: ApiError) -> None:
        """An error reply."""
        headers = self.headers(JSON)
        if problem.retry_after_s is not None:
            headers["retry-after"] = str(problem.retry_after_s)
        await http.whole(self.send, problem.status, headers, problem.body(self.request_id))

    async def message(self, caller: Caller, version: str) -> None:
        """POST /v1/messages."""
        simulator = self.simulator
        raw = await self.request.body(simulator.config.max_body_bytes)
        simulator.messages += 1
        body = decode(raw)
        stream = isinstance(body, dict) and body.get("stream") is True
        fault = simulator.faults.pick(simulator.messages, stream=stream)
        if await self._fail_early(fault):
            return
        simulator.limiter.check_spend(caller)
        call = simulator.service.prepare(body, caller, version=version, betas=self.request.betas, now=simulator.now())
        used = call.usage
        counted = counted_input(call.model, used.input, used.write_5m + used.write_1h, used.read)
        simulator.limiter.admit(caller, call.model, counted, simulator.now())
        await self._wait(call, fault)
        reply = simulator.service.answer(call, simulator.now())
        simulator.limiter.spend_output(caller, call.model, reply.usage.output, simulator.now())
        self._extra |= simulator.limiter.headers(caller, call.model, simulator.now())
        if stream:
            await self._stream(reply, fault)
        else:
            await self._plain(reply, fault)

    async def _fail_early(self, fault: str | None) -> bool:
        """The faults that strike before anything was generated, so nothing is billed. True if the connection is gone."""
        faults = self.simulator.faults
        if fault == "reset_before_headers":
            await http.drop(self.send, "simulated reset before the headers")
            return True
        if fault == "rate_limit":
            raise rate_limited("Simulated rate limit", faults.retry_after_s)
        if fault == "rate_limit_bare":
            raise rate_limited("Simulated rate limit", None)
        if fault == "internal_error":
            raise internal()
        if fault == "overloaded":
            raise overloaded()
        return False

    async def _wait(self, call: Call, fault: str | None) -> None:
        """Time to the first byte. Even with no latency set the event loop gets a turn, so that calls overlap."""
        latency = self.simulator.config.latency
        fresh = call.rendered.total - call.lookup.read
        seconds = latency.first_byte_s + latency.per_input_1k_s * fresh / 1000
        if fault == "latency":
            seconds += self.simulator.faults.latency_s
        await self.simulator.sleep(seconds)

    async def _plain(self, reply: Reply, fault: str | None) -> None:
        await self.simulator.sleep(self.simulator.config.latency.per_output_token_s * reply.usage.output)
        body = msgspec.json.encode(reply.message)
        self._book(reply, None, fault)
        headers = self.headers(JSON)
        if fault == "garbage_body":
            await http.whole(self.send, 200, headers, body[: len(body) // 2] + b'"}')
        elif fault == "empty_body":
            await http.whole(self.send, 200, headers, b"")
        elif fault == "wrong_length":
            await http.start(self.send, 200, headers | {"content-length": str(len(body) + 100)})
            await http.chunk(self.send, body, more=True)
            await http.drop(self.send, "simulated: the body is shorter than its content-length")
        else:
            await http.whole(self.send, 200, headers, body)

    async def _stream(self, reply: Reply, fault: str | None) -> None:
        headers = self.headers("text/event-stream; charset=utf-8") | {"cache-control": "no-cache"}
        if fault == "empty_body":
            self._book(reply, None, fault)
            await http.whole(self.send, 200, headers, b"")
            return
        gone = http.Gone(self.request.receive)
        booked = False
        sent = 0
        try:
            await http.start(self.send, 200, headers)
            planned = list(sse.events(reply))
            breaks = self._break_at(planned, fault)
            for number, event in enumerate(planned):
                await self._pace(event.output_tokens - sent, fault)
                if gone.happened:
                    return
                if number == breaks:
                    if fault in {"garbage_sse", "cut_stream"}:
                        self._book(reply, None, fault)
                    else:
                        self._book(reply, sent, fault)
                    booked = True
                    if await self._break(fault):
                        return
                sent = event.output_tokens
                last = number == len(planned) - 1
                if last and not booked:
                    self._book(reply, None, fault)
                    booked = True
                await http.chunk(self.send, event.raw, more=not last)
        finally:
            await gone.close()
            if not booked:
                self._book(reply, None if self.simulator.config.disconnect_bills_all else sent, "client_disconnect")

    def _break_at(self, planned: list[sse.Event], fault: str | None) -> int:
        """The event before which the fault strikes: cut_stream before the final usage, the others somewhere inside."""
        if fault == "cut_stream":
            return next(number for number, event in enumerate(planned) if event.name == "message_delta")
        if fault not in {"reset_mid_stream", "garbage_sse", "error_event"}:
            return -1
        inside = len(planned) - 3
        return 1 + int(unit("break", self.simulator.faults.seed, self.simulator.messages) * max(1, inside))

    async def _break(self, fault: str | None) -> bool:
        """Does what the fault does; True if the stream is over."""
        if fault == "reset_mid_stream":
            await http.drop(self.send, "simulated reset in mid-stream")
            return True
        if fault == "garbage_sse":
            await http.chunk(self.send, b'event: content_block_delta\ndata: {"type": "content_bl\n\n', more=True)
            return False
        await http.chunk(self.send, sse.error_event() if fault == "error_event" else b"", more=False)
        return True

    async def _pace(self, tokens: int, fault: str | None) -> None:
        seconds = self.simulator.config.latency.per_output_token_s * tokens
        if fault == "slow_drip":
            seconds += self.simulator.faults.drip_s
        if seconds > 0:
            await self.simulator.sleep(seconds)

    def _book(self, reply: Reply, sent: int | None, fault: str | None) -> None:
        """Writes the truth. `sent` = output tokens delivered before a break, None = the whole answer is billed."""
        call, steps, usage, outcome = reply.call, reply.steps, reply.usage, reply.outcome
        if sent is not None:
            steps = cut_steps(steps, sent)
            usage = total_usage(steps)
            outcome = "cut"
        elif fault is not None and fault not in {"latency", "slow_drip"}:
            outcome = "faulty"
        bill = self.simulator.bill
        bill.add(
            BilledCall(
                request_id=self.request_id,
                message_id=reply.message["id"],
                model=call.model.id,
                organization=call.caller.organization,
                workspace=call.caller.workspace,
                at=call.started_at,
                usage=usage,
                steps=steps,
                modifiers=call.modifiers,
                outcome=outcome,
                cost=bill.price(steps, call.started_at, call.modifiers),
                fault=fault,
            )
        )


def cut_steps(steps: list[Step], sent: int) -> list[Step]:
    """The iterations with only the first `sent` output tokens of the answer; what a compaction wrote stays whole."""
    left, kept = sent, []
    for step in steps:
        if step.kind == "compaction":
            kept.append(step)
            continue
        output = min(left, step.usage.output)
        left -= output
        thinking = min(step.usage.thinking, output)
        kept.append(replace(step, usage=step.usage.with_output(output, thinking)))
    return kept

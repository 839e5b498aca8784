"""The simulator as an ASGI application: routes, headers, and the booking of what was delivered.

app = Simulator(SimulatorConfig(seed=1, clock=SimClock.frozen()))      # an ASGI callable; needs no lifespan
app.bill.total; app.state(); app.reset(); app.faults = Faults(...); app.config.clock.advance(300)
"""

from __future__ import annotations

import secrets
from typing import Any

from thriftgate.simulator import http
from thriftgate.simulator.accuracy import Accuracy
from thriftgate.simulator.batch_delivery import PATH as BATCHES
from thriftgate.simulator.batch_delivery import BatchDelivery
from thriftgate.simulator.batches import Batches
from thriftgate.simulator.bill import Bill
from thriftgate.simulator.catalog import get_model, list_models
from thriftgate.simulator.chat.server import ChatServers
from thriftgate.simulator.clock import SimClock
from thriftgate.simulator.clouds import CLOUDS
from thriftgate.simulator.clouds.azure import Azure
from thriftgate.simulator.clouds.google import Google
from thriftgate.simulator.config import SimulatorConfig
from thriftgate.simulator.control import PREFIX, control
from thriftgate.simulator.delivery import Delivery
from thriftgate.simulator.errors import ApiError, not_found
from thriftgate.simulator.http import Request, decode
from thriftgate.simulator.identity import Caller, Ids, authenticate
from thriftgate.simulator.limits import Limiter
from thriftgate.simulator.messages import MessageService
from thriftgate.simulator.models import load_models
from thriftgate.simulator.validate import check_version


class Simulator:
    """A faithful fake of the Claude API. Runs under any ASGI server or in-process; all state is in memory."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config or SimulatorConfig()
        self.faults = self.config.faults
        self.instance_id = self.config.instance_id or secrets.token_hex(6)
        self.ids = Ids(self.config.seed, self.instance_id)
        self.models = load_models()
        self.bill = Bill(self.models)
        self.limiter = Limiter(self.config.limits, self.bill)
        self.accuracy = Accuracy(
            self.models,
            seed=self.config.seed,
            base=self.config.accuracy_shift,
            variety=self.config.variety,
            shifts=self.config.accuracy_shifts,
        )
        self.service = MessageService(self.config, self.models, self.ids, self.accuracy)
        self.batches = Batches(self.config, self.service, self.bill, self.ids, lambda: self.faults)
        self.google = Google(self)
        self.azure = Azure(self)
        self.chat = ChatServers(self)
        self.requests = 0
        self.messages = 0
        self.batch_requests = 0
        clock = self.config.clock
        self.sleep = self.config.sleep or (clock.sleep if isinstance(clock, SimClock) else SimClock.real().sleep)

    def now(self) -> float:
        """The simulated time, Unix seconds."""
        return self.config.clock()

    def state(self) -> dict[str, Any]:
        """What GET /_sim/state shows."""
        return {
            "simulated": True,
            "seed": self.config.seed,
            "now": self.now(),
            "requests": self.requests,
            "message_requests": self.messages,
            "batch_requests": self.batch_requests,
            "billed_calls": len(self.bill.calls),
            "cache_entries": len(self.service.cache),
            "batches": {name: batch.status for name, batch in self.batches.known().items()},
        }

    def reset(self) -> None:
        """Forgets caches, batches, bill, limits and counts. The clock and the id counter go on; faults, rules and
        accuracy stay as they are."""
        self.service.cache.clear()
        self.service.diagnostics.clear()
        self.chat.clear()
        self.batches.clear()
        self.bill.calls.clear()
        self.limiter.clear()
        self.accuracy.restart()
        self.requests = self.messages = self.batch_requests = 0

    def count_blocks(self, body: dict[str, Any], *, version: str = "2023-06-01") -> list[tuple[str, int]]:
        """(label, tokens) of every block of a request in render order, and a last entry "tail" for what follows them.

        ApiError for a request that the API would refuse; caches and bill are left alone.
        """
        caller = Caller("sim", "count", "count")
        call = self.service.prepare(body, caller, version=version, now=self.now(), counting=True)
        blocks = [(position.label, position.tokens) for position in call.rendered.positions]
        return [*blocks, ("tail", call.rendered.tail)]

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        """The ASGI entry."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the simulator speaks HTTP only, not {scope['type']}")
        self.requests += 1
        request = Request.of(scope, receive)
        if self.chat.serves(request):
            await self.chat.answer(request, send)
            return
        delivery = Delivery(self, request, send, self.ids.make("req"))
        try:
            await self.route(request, delivery)
        except ApiError as problem:
            await delivery.error(problem)
        except http.TooLong:
            # Sent by the edge before the API (api/errors, 2026-08).
            await delivery.error(ApiError("request_too_large", "Request exceeds the maximum size"))

    async def route(self, request: Request, delivery: Delivery) -> None:
        """Answers a request. Raises ApiError for the error that it deserves."""
        path, method = request.path.rstrip("/") or "/", request.method
        if request.path.startswith(PREFIX):
            raw = await request.body(self.config.max_body_bytes)
            await delivery.json(control(self, method, path, raw))
            return
        if path == "/" and method in {"HEAD", "GET"}:
            await delivery.json({"simulated": True} if method == "GET" else None)
            return
        self.batches.run_due(self.now())
        if (serve := CLOUDS.get(path.split("/")[1])) is not None:
            await serve(self, request, delivery)
            return
        delivery.caller = caller = authenticate(request.headers)
        version = check_version(request.headers)
        if path == "/v1/messages" and method == "POST":
            await delivery.message(caller, version)
        elif path == "/v1/messages/count_tokens" and method == "POST":
            await self.count(request, delivery, caller, version)
        elif path == "/v1/models" and method == "GET":
            await delivery.json(list_models(self.models, self.now(), request.query))
        elif path.startswith("/v1/models/") and method == "GET":
            await delivery.json(get_model(self.models, path.removeprefix("/v1/models/"), self.now()))
        elif path == BATCHES or path.startswith(BATCHES + "/"):
            await BatchDelivery(self, request, delivery, caller, version).serve()
        elif path in {"/v1/messages", "/v1/messages/count_tokens", "/v1/models"}:
            raise ApiError("invalid_request_error", "Method Not Allowed", status=405)
        else:
            raise not_found("Not Found")

    async def count(self, request: Request, delivery: Delivery, caller: Caller, version: str) -> None:
        """build-with-claude/token-counting, 2026-08: free, same validation, own limit."""
        raw = await request.body(self.config.max_body_bytes)
        self.limiter.admit_simple(caller, "count", self.now())
        call = self.service.prepare(decode(raw), caller, version=version, betas=request.betas, now=self.now(), counting=True)
        shown: dict[str, Any] = {"input_tokens": call.rendered.total}
        if call.body.get("context_management") is not None:
            cleared = sum(edit["cleared_input_tokens"] for edit in call.applied)
            shown["context_management"] = {"original_input_tokens": call.rendered.total + cleared}
        await delivery.json(shown)


async def _lifespan(receive: http.Receive, send: http.Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

"""The batch endpoints: which operation a request means, the fault drawn for it, and its answer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from thriftgate.simulator import http
from thriftgate.simulator.batch import Batch
from thriftgate.simulator.delivery import Delivery
from thriftgate.simulator.draws import unit
from thriftgate.simulator.errors import ApiError, internal, not_found, overloaded, rate_limited
from thriftgate.simulator.http import Request
from thriftgate.simulator.identity import Caller

if TYPE_CHECKING:
    from thriftgate.simulator.app import Simulator

PATH = "/v1/messages/batches"
JSONL = "application/x-jsonl"


class BatchDelivery:
    """Serves one request to a batch endpoint, whatever it is."""

    def __init__(self, simulator: Simulator, request: Request, delivery: Delivery, caller: Caller, version: str) -> None:
        self.simulator = simulator
        self.request = request
        self.delivery = delivery
        self.caller = caller
        self.version = version
        rest = request.path.rstrip("/").removeprefix(PATH).strip("/")
        self.name, _, action = rest.partition("/")
        self.operation = _operation(request.method, self.name, action)

    async def serve(self) -> None:
        """The answer, or the ApiError or broken connection that takes its place."""
        simulator, request = self.simulator, self.request
        simulator.batch_requests += 1
        ordinal, creating = simulator.batch_requests, self.operation == "create"
        raw = await request.body(simulator.batches.rules.max_bytes) if creating else b""
        faults = simulator.faults
        if faults.storming(simulator.now()):
            raise overloaded()
        fault = faults.pick_batch(ordinal, self.operation)
        if fault == "batch_error":
            raise internal() if unit("fault", faults.seed, ordinal, "type") < 0.5 else overloaded()
        if fault == "batch_poll_limited":
            raise rate_limited("Simulated rate limit", faults.retry_after_s)
        simulator.limiter.admit_simple(self.caller, "batches", simulator.now())
        if creating:
            await self._create(raw, fault)
        elif self.operation == "results":
            await self._results(unit("fault", faults.seed, ordinal, "cut") if fault == "batch_results_cut" else None)
        else:
            await self._answer()

    async def _create(self, raw: bytes, fault: str | None) -> None:
        """POST. Nothing makes it idempotent: what was created stays, whatever the client is told."""
        self.simulator.limiter.check_spend(self.caller)
        batch = self._made(raw)
        if fault == "batch_post_twice":
            with suppress(ApiError):  # the limit on the queue may leave no room for a second one
                self._made(raw)
        if fault == "batch_post_lost":
            await http.drop(self.delivery.send, "simulated: the batch was created, its answer is lost")
        elif fault == "batch_error_late":
            raise internal()
        else:
            await self.delivery.json(self.simulator.batches.describe(batch, self._origin))

    def _made(self, raw: bytes) -> Batch:
        simulator = self.simulator
        return simulator.batches.create(
            raw,
            self.caller,
            version=self.version,
            betas=self.request.betas,
            now=simulator.now(),
            queue=simulator.limiter.batch_queue,
        )

    async def _answer(self) -> None:
        batches, name, caller = self.simulator.batches, self.name, self.caller
        if self.operation == "list":
            await self.delivery.json(batches.listing(caller, self.request.query, self._origin))
        elif self.operation == "get":
            await self.delivery.json(batches.describe(batches.get(name, caller), self._origin))
        elif self.operation == "cancel":
            await self.delivery.json(batches.describe(batches.cancel(name, caller, self.simulator.now()), self._origin))
        elif self.operation == "delete":
            await self.delivery.json(batches.delete(name, caller))
        else:
            raise not_found("Not Found")

    async def _results(self, cut: float | None) -> None:
        """GET of results, page by page; with `cut` the connection drops after about that share of them."""
        pages = self.simulator.batches.results(self.name, self.caller, self.simulator.now())
        shown: Iterable[bytes] = pages if cut is None else pages.cut(cut)
        send = self.delivery.send
        await http.start(send, 200, self.delivery.headers(JSONL))
        for page in shown:
            await http.chunk(send, page, more=True)
        if cut is None:
            await http.chunk(send, b"", more=False)
        else:
            await http.drop(send, "simulated: the results are cut off")

    @property
    def _origin(self) -> str:
        host = self.request.headers.get("host")
        return self.simulator.config.public_url if host is None else f"http://{host}"


def _operation(method: str, name: str, action: str) -> str:
    if not name:
        return {"POST": "create", "GET": "list"}.get(method, "unknown")
    known = {("GET", ""): "get", ("POST", "cancel"): "cancel", ("GET", "results"): "results", ("DELETE", ""): "delete"}
    return known.get((method, action), "unknown")

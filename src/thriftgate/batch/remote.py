"""The provider's batch endpoints: each call made once, its answer sorted into what a worker can act on.

Creating a batch knows no idempotency key (platform.claude.com/docs/en/api/messages/batches, 2026-08): a POST whose answer
was lost may have created one. So `create` never tries again by itself, and tells apart what was surely not created from what
is unsure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, NamedTuple

from thriftgate.core.errors import BrokenReply, Unreachable, UpstreamError
from thriftgate.core.governing.refusals import is_spend_limit
from thriftgate.providers.provider import Provider
from thriftgate.providers.transport import FileBody, Headers, Incoming, Timeouts, Transport, header, laid_over
from thriftgate.wire.anthropic_batches import PATH, ErrorBody, MessageBatch, read_batch, read_error, read_page, whole_lines

WAIT_S = 5.0  # where the provider names no time
WAIT_S_MIN = 1.0  # where it names hardly any: a provider in trouble is not to be asked without a pause
_PAGE = 100
_PAGES_MAX = 500
_ERROR_BYTES_MAX = 2**16

# ok       done; the batch is told                     refused   surely not done, and would not be next time either
# later    surely not done; worth trying after wait_s  unsure    it may have been done: only `create` says so
# missing  there is no such batch, or no results of it
Kind = Literal["ok", "refused", "later", "unsure", "missing"]


class Said(NamedTuple):
    """What came of a call."""

    kind: Kind
    batch: MessageBatch | None = None
    status: int = 0
    error: ErrorBody = ErrorBody()
    wait_s: float = WAIT_S

    @property
    def why(self) -> str:
        """For people."""
        return f"{self.status} {self.error.type}: {self.error.message}".strip() if self.status else self.error.message


class ResultsGone(UpstreamError):
    """The provider has no results of that batch (any more)."""

    label = "results_gone"


class ResultsRefused(UpstreamError):
    """The provider does not hand the results out as things are: a key that is not valid, or not allowed to."""

    label = "results_refused"


class Remote:
    """The batches of one workspace. `headers` are sent with every call: version, betas, key."""

    def __init__(self, provider: Provider, transport: Transport, headers: Headers, timeouts: Timeouts | None = None) -> None:
        self._provider = provider
        self._transport = transport
        self._headers = headers
        self._timeouts = timeouts or Timeouts()

    async def create(self, body: FileBody | bytes, headers: Headers = ()) -> Said:
        """POST a batch, once."""
        kind = (b"content-type", b"application/json")
        return await self._ask("POST", PATH, (*headers, kind), body, lost="unsure")

    async def retrieve(self, batch_id: str) -> Said:
        return await self._ask("GET", f"{PATH}/{batch_id}")

    async def cancel(self, batch_id: str) -> Said:
        """Ask a batch to stop. Asking twice does no harm; one that has ended is `refused`."""
        return await self._ask("POST", f"{PATH}/{batch_id}/cancel")

    async def since(self, created_us: int) -> tuple[list[MessageBatch], Said]:
        """The batches created from that moment on, newest first, as far as they could be listed."""
        found: list[MessageBatch] = []
        after = ""
        for _ in range(_PAGES_MAX):
            said, body = await self._call("GET", PATH, f"limit={_PAGE}{after}")
            page = read_page(body) if said.kind == "ok" else None
            if page is None:
                return found, said if said.kind != "ok" else Said("later", error=ErrorBody("", "no list of batches came"))
            # One that does not say when it was created may be as young as any.
            young = [one for one in page.data if one.created_us >= created_us or not one.created_us]
            found += young
            if len(young) < len(page.data) or not page.has_more or not page.data:
                return found, said
            after = f"&after_id={page.last_id or page.data[-1].id}"
        return found, Said("later", error=ErrorBody("", f"more than {_PAGES_MAX * _PAGE} batches are listed"))

    async def results(self, batch_id: str) -> AsyncGenerator[list[bytes], None]:
        """The lines of the results, as they come. Raises ResultsGone, ResultsRefused, and UpstreamError when they break
        off."""
        outgoing = self._provider.prepare("GET", f"{PATH}/{batch_id}/results", "", self._headers, b"")
        incoming = await self._transport.send(outgoing, self._timeouts)
        try:
            if not 200 <= incoming.status < 300:
                said = await _refusal(incoming)
                if said.kind == "refused":
                    raise ResultsRefused(f"the provider refuses the results of {batch_id}: {said.why}")
                if said.kind == "missing":
                    raise ResultsGone(f"the results of {batch_id} cannot be had: {said.why}")
                raise BrokenReply(f"the results of {batch_id} did not come: {said.why}")
            rest = b""
            async for chunk in incoming.chunks():
                lines, rest = whole_lines(rest, chunk)
                if lines:
                    yield lines
            if rest.strip():
                yield [rest]
        finally:
            incoming.close()

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Headers = (),
        body: FileBody | bytes = b"",
        *,
        lost: Literal["later", "unsure"] = "later",
    ) -> Said:
        said, answer = await self._call(method, path, "", headers, body, lost=lost)
        if said.kind != "ok":
            return said
        batch = read_batch(answer)
        if batch is None:
            return Said(lost, status=said.status, error=ErrorBody("", "the answer is no batch"))
        return said._replace(batch=batch)

    async def _call(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers = (),
        body: FileBody | bytes = b"",
        *,
        lost: Literal["later", "unsure"] = "later",
    ) -> tuple[Said, bytes]:
        outgoing = self._provider.prepare(method, path, query, laid_over(self._headers, headers), body)
        try:
            incoming = await self._transport.send(outgoing, self._timeouts)
        except Unreachable as error:
            return Said("later", error=ErrorBody("", str(error))), b""
        except UpstreamError as error:
            return Said(lost, error=ErrorBody("", str(error))), b""
        try:
            if not 200 <= incoming.status < 300:
                said = await _refusal(incoming)
                unsure = lost == "unsure" and (incoming.status >= 500 or incoming.status in (408, 409))
                return said._replace(kind="unsure") if unsure else said, b""
            return Said("ok", status=incoming.status), await incoming.read()
        except UpstreamError as error:
            return Said(lost, status=incoming.status, error=ErrorBody("", str(error))), b""
        finally:
            incoming.close()


async def _refusal(incoming: Incoming) -> Said:
    """An answer that is no success: try again after a while, or never."""
    body = (await incoming.read())[:_ERROR_BYTES_MAX]
    error, status = read_error(body), incoming.status
    if status == 404:
        return Said("missing", status=status, error=error)
    if status in (408, 409) or status >= 500 or (status == 429 and not is_spend_limit(body)):
        return Said("later", status=status, error=error, wait_s=_wait_s(incoming.headers))
    return Said("refused", status=status, error=error)


def _wait_s(headers: Headers) -> float:
    try:
        return min(600.0, max(WAIT_S_MIN, float(header(headers, b"retry-after"))))
    except ValueError:
        return WAIT_S

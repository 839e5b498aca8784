"""Vectors of questions by an embeddings API of OpenAI's shape, over the engine's transport. Every call is held and booked: a
cost of `reuse.semantic`, on the key that the question came with.

`POST /v1/embeddings` with `model` and `input`; the answer holds `data[].embedding` and `usage.prompt_tokens`
(platform.openai.com/docs/api-reference/embeddings, 2026-11). What is kept for one question is asked for once.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from thriftgate.clock import Clock
from thriftgate.core.errors import UpstreamError
from thriftgate.core.generations import Generations
from thriftgate.core.levers.reuse_semantic import ReuseSemantic
from thriftgate.core.money import price_tokens
from thriftgate.core.plan import Decision
from thriftgate.core.semantic.shelf import Vector
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.reusing.tier import Question
from thriftgate.engine.settle import UNSENT, outcome_of
from thriftgate.ledger.entries import Entry, Hold, Ledger, Outcome, balanced
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport

ACCOUNT, ENDPOINT = ReuseSemantic.id, "embeddings"
TIMEOUTS = Timeouts(connect_s=2.0, read_s=10.0)  # a client waits
REMEMBERED = 2_000


class Api(NamedTuple):
    """Where it is, which model, the length of its vectors, its price (pico-USD per million tokens)."""

    url: str
    model: str
    key: str
    size: int
    pico_per_mtok: int


class _One(msgspec.Struct):
    embedding: list[float]


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0


class _Answer(msgspec.Struct):
    data: list[_One]
    usage: _Usage = _Usage()


class Embeddings:
    """One API at work."""

    def __init__(
        self, api: Api, *, transport: Transport, ledger: Ledger, clock: Clock, new_id: Callable[[], str], price_book: str
    ) -> None:
        self._api = api
        self._transport = transport
        self._ledger = ledger
        self._clock = clock
        self._new_id = new_id
        self._price_book = price_book
        self._known: Generations[bytes, tuple[float, ...]] = Generations(REMEMBERED)
        self.size = api.size
        self.name = f"api:{api.url}:{api.model}:{api.size}"

    async def encode(self, text: str, question: Question) -> Vector:
        """Raises BudgetExceeded and LedgerError (nothing was sent), UpstreamError, and ValueError or msgspec's errors for an
        answer that is none; what was sent is booked."""
        place = sha256(question.tenant + text.encode()).digest()
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = await self._asked(text, question)
        return known

    async def _asked(self, text: str, question: Question) -> tuple[float, ...]:
        api = self._api
        most = price_tokens(len(text.encode()), api.pico_per_mtok)  # a token has a byte at least
        opened = Hold(
            id=self._new_id(),
            opened_us=int(self._clock.now_s() * 1e6),
            key=question.key,
            model=api.model,
            worst_pico=most,
            forecast_pico=most // 4,
            whose=question.call.whose,
            task=question.task,
            provider=ENDPOINT,
        )
        await self._ledger.hold(opened)
        outcome: Outcome = "garbage"
        answer: _Answer | None = None
        status, billed = 0, True
        try:
            status, body = await self._sent(text)
            if status == 200:
                answer = msgspec.json.decode(body, type=_Answer)
                outcome = "answered"
            else:
                outcome, billed = "failed", False
        except BaseException as error:
            if not isinstance(error, msgspec.MsgspecError | UnicodeDecodeError):
                outcome, billed = outcome_of(error), not isinstance(error, UNSENT)
            raise
        finally:
            tokens = answer.usage.prompt_tokens if answer is not None else 0
            paid = price_tokens(tokens, api.pico_per_mtok) if answer is not None else opened.forecast_pico if billed else 0
            await self._ledger.settle(self._entry(opened, outcome, status, tokens, paid, exact=answer is not None))
        if answer is None:
            raise UpstreamError(f"the embeddings API has answered with status {status}")
        if len(answer.data) != 1 or len(answer.data[0].embedding) != api.size:
            raise ValueError(f"the embeddings API gave no vector of {api.size} numbers: reuse.embeddings.size is another")
        return tuple(answer.data[0].embedding)

    async def _sent(self, text: str) -> tuple[int, bytes]:
        body: dict[str, Any] = {"model": self._api.model, "input": text, "encoding_format": "float"}
        headers: Headers = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
        if self._api.key:
            headers = (*headers, (b"authorization", f"Bearer {self._api.key}".encode()))
        outgoing = Outgoing("POST", f"{self._api.url}/v1/embeddings", headers, msgspec.json.encode(body))
        incoming = await self._transport.send(outgoing, TIMEOUTS)
        try:
            return incoming.status, await incoming.read()
        finally:
            incoming.close()

    def _entry(self, hold: Hold, outcome: Outcome, status: int, tokens: int, paid: int, *, exact: bool) -> Entry:
        return Entry(
            id=hold.id,
            opened_us=hold.opened_us,
            settled_us=int(self._clock.now_s() * 1e6),
            key=hold.key,
            model=hold.model,
            endpoint=ENDPOINT,
            outcome=outcome,
            resolution="post" if paid or exact else "void",
            usage_source="exact" if exact else "estimated" if paid else "none",
            usage=Usage(Tokens(input=tokens)),
            postings=balanced(0, paid, {ACCOUNT: -paid} if paid else {}),
            provider=ENDPOINT,
            status=status,
            price_book=self._price_book,
            forecast_pico=hold.forecast_pico,
            decisions=(Decision(ACCOUNT, "applied", "a question as a vector, to find one like it", -paid),),
            attempts=1,
            task=hold.task,
            whose=hold.whose,
        )

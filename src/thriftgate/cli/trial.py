"""Run the experiments of `doctor --live` against the upstream: real calls, real waits, each one booked in the ledger."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from thriftgate.cli.experiments import EXPERIMENTS, PART_WORDS, Answer, Ask, Experiment, Result, body_of
from thriftgate.clock import Clock
from thriftgate.core.belief_book import BeliefBook
from thriftgate.core.beliefs import Beliefs
from thriftgate.core.cost import day_of, price_usage
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.models import Capabilities
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import Mode, PriceBook, Terms
from thriftgate.core.tokens import estimate_text
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.build import build_engine, call_ids
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import Entry, Ledger, balanced
from thriftgate.providers.transport import header
from thriftgate.settings import Settings
from thriftgate.wire import DIALECTS
from thriftgate.wire.meter import read_message

BATCHES = "/v1/messages/batches"
VERSION = (b"anthropic-version", b"2023-06-01")
POLL_S = 20.0
BATCH_PATIENCE_S = 2_400.0  # most batches end within the hour, but nobody waits that long; the 1h entries live on
MEMORY = "beliefs"  # the name in the ledger under which the gateway finds them
_T = TypeVar("_T")


class Trial(Struct, frozen=True):
    """Which experiments to run on which model, and the key they are paid with."""

    experiments: tuple[Experiment, ...]
    capability: Capabilities
    key: str

    @property
    def words(self) -> int:
        """Each part alone must be long enough to be cached, with a margin: a word is a token or two."""
        return max(PART_WORDS, self.capability.cache_min_tokens * 5 // 4)

    @property
    def seconds(self) -> float:
        """How long the calls take that no batch is waited for."""
        return max(one.start_s + ask.at_s for one in self.experiments for ask in one.asks) - self._first_s

    @property
    def _first_s(self) -> float:
        return min(one.start_s for one in self.experiments)

    def schedule(self) -> list[tuple[float, int, int]]:
        """(seconds from the start, index of the experiment, index of its ask), in order of time."""
        return sorted(
            (one.start_s - self._first_s + ask.at_s, at, number)
            for at, one in enumerate(self.experiments)
            for number, ask in enumerate(one.asks)
        )


class Done(Struct, frozen=True):
    """One experiment's result and what its calls cost (pico-USD)."""

    experiment: Experiment
    result: Result
    cost_pico: int


def chosen(only: Sequence[str]) -> tuple[Experiment, ...]:
    """The experiments of these ids, all where none is named. Raises InputError for an unknown one."""
    wanted = {name.strip().upper() for names in only for name in names.split(",") if name.strip()}
    unknown = wanted - {one.id for one in EXPERIMENTS}
    if unknown:
        raise InputError(f"there is no experiment {', '.join(sorted(unknown))}; known: V1 to V{len(EXPERIMENTS)}")
    return tuple(one for one in EXPERIMENTS if not wanted or one.id in wanted)


def cost_limit_pico(trial: Trial, book: PriceBook, now_s: float) -> int:
    """The most the experiments should cost: every prompt written to the cache, none read. Raises UnknownPrice."""
    total = 0
    for one in trial.experiments:
        for ask in one.asks:
            body = body_of(ask, model=trial.capability.id, salt="0" * 8, words=trial.words, adaptive=False)
            text = "".join(block["text"] for block in body["system"])
            tokens = estimate_text(text.encode(), trial.capability.tokenizer).upper + 100
            hour = any(ttl == "1h" for _, ttl in ask.parts)
            used = Tokens(write_1h=tokens, output=ask.max_tokens) if hour else Tokens(write_5m=tokens, output=ask.max_tokens)
            mode: Mode = "batch" if ask.batch else "standard"
            total += price_usage(Usage(used), Terms(trial.capability.id, day_of(now_s), mode), book).pico
    return total


async def run_trial(settings: Settings, trial: Trial, clock: Clock, tell: Callable[[str], None]) -> list[Done]:
    """Do all calls at their times. What fails makes its experiment unclear; the others go on. Raises ConfigError and
    LedgerError before anything was sent."""
    # As they are and once: no lever may move a breakpoint, a ping would renew what is to expire, and a second try would read
    # what the first has written.
    alone: dict[str, dict[str, object]] = {
        "policy": {"levers": (), "cost_limit_usd": None},
        "cache": {"stabilise": (), "fanout_wait_s": 0.0},
        "keepalive": {"on": False},
        "upstream": {"retry": "never"},
    }
    quiet = settings.model_copy(
        update={table: getattr(settings, table).model_copy(update=changed) for table, changed in alone.items()}
    )
    engine = await build_engine(quiet, clock=clock)
    try:
        return await _Run(engine, trial, clock, tell).run()
    finally:
        await engine.close()


async def store(found: Beliefs, provider: str, model: str, ledger: Ledger) -> None:
    """Put what was found beside what was believed. Raises LedgerError."""
    book = BeliefBook()
    before = await ledger.kept(MEMORY)
    if before is not None:
        with contextlib.suppress(ValueError):  # what nobody can read is worth less than what was just paid for
            book.restore(before)
    book.teach(provider, model, found)
    await ledger.keep(MEMORY, book.kept())


class _Run:
    """One trial under way."""

    def __init__(self, engine: Engine, trial: Trial, clock: Clock, tell: Callable[[str], None]) -> None:
        self._engine = engine
        self._trial = trial
        self._clock = clock
        self._tell = tell
        self._salt = secrets.token_hex(4)  # no two runs share a prefix
        self._ids = call_ids(clock, secrets.token_hex(4))
        self._answers: list[list[Answer | None]] = [[None] * len(one.asks) for one in trial.experiments]
        self._batch = ""
        self._batch_until_s = 0.0
        self._started_s = clock.now_s()

    async def run(self) -> list[Done]:
        schedule = self._trial.schedule()
        later = [(at, number) for _, at, number in schedule if self._ask(at, number).after_batch]
        items = [(at, number) for _, at, number in schedule if self._ask(at, number).batch]
        for second, at, number in schedule:
            if (at, number) in later:
                continue
            await self._wait_until(self._started_s + second, items)
            if (at, number) not in items:
                self._answers[at][number] = await self._call(at, number)
            elif not self._batch:
                await self._submit(items)
        while self._batch:
            await self._clock.sleep(POLL_S)
            await self._poll(items)
        for at, number in later:
            if all(self._answers[at][other] is not None for where, other in items if where == at):
                self._answers[at][number] = await self._call(at, number)
        return [self._done(at) for at in range(len(self._answers))]

    def _ask(self, at: int, number: int) -> Ask:
        return self._trial.experiments[at].asks[number]

    def _done(self, at: int) -> Done:
        experiment, answers = self._trial.experiments[at], self._answers[at]
        return Done(
            experiment, experiment.judge(tuple(answers)), sum(answer.cost_pico for answer in answers if answer is not None)
        )

    async def _wait_until(self, moment_s: float, items: list[tuple[int, int]]) -> None:
        """Sleep, and look after the batch while there is time to."""
        while (left_s := moment_s - self._clock.now_s()) > 0:
            busy = bool(self._batch) and left_s > 1.5 * POLL_S
            await self._clock.sleep(POLL_S if busy else left_s)
            if busy:
                await self._poll(items)

    def _body(self, ask: Ask) -> dict[str, Any]:
        capability = self._trial.capability
        adaptive = "adaptive" in capability.thinking
        return body_of(ask, model=capability.id, salt=self._salt, words=self._trial.words, adaptive=adaptive)

    def _request(self, method: str, path: str, body: object = None) -> Call:
        headers = (VERSION, (b"content-type", b"application/json"), (b"x-api-key", self._trial.key.encode()))
        raw = b"" if body is None else msgspec.json.encode(body)
        return Call(method, path, "", headers, raw, DIALECTS[0], self._trial.key)

    async def _call(self, at: int, number: int) -> Answer:
        ask = self._ask(at, number)
        sent_s = self._clock.now_s()
        try:
            reply = await self._engine.messages(self._request("POST", "/v1/messages", self._body(ask)))
        except ThriftgateError as error:
            answer = Answer(Tokens(), sent_s, self._clock.now_s(), error=str(error))
        else:
            cost = header(reply.headers, b"thriftgate-cost-usd")
            answer = _read(reply.body or b"", sent_s, self._clock.now_s(), pico_from_usd(cost) if cost else 0)
        self._say(at, number, answer)
        return answer

    def _say(self, at: int, number: int, answer: Answer) -> None:
        second, tokens = answer.sent_s - self._started_s, answer.tokens
        told = f"read {tokens.read:,}, 5m {tokens.write_5m:,}, 1h {tokens.write_1h:,}, plain {tokens.input:,}"
        name = self._trial.experiments[at].id
        self._tell(f"{int(second) // 60:3}:{second % 60:04.1f}  {name}.{number + 1}  {answer.error or told}")

    # --- the batch --------------------------------------------------------------------------------------------------------

    async def _submit(self, items: list[tuple[int, int]]) -> None:
        requests = [{"custom_id": f"{at}-{number}", "params": self._body(self._ask(at, number))} for at, number in items]
        created = await self._forward("POST", BATCHES, {"requests": requests})
        batch = _decoded(created, _Batch)
        if batch is None:
            self._fail(items, f"the batch was not accepted: {created[:200].decode(errors='replace')}")
            return
        self._batch, self._batch_until_s = batch.id, self._clock.now_s() + BATCH_PATIENCE_S

    async def _poll(self, items: list[tuple[int, int]]) -> None:
        batch = _decoded(await self._forward("GET", f"{BATCHES}/{self._batch}"), _Batch)
        if batch is not None and batch.processing_status == "ended":
            await self._collect(items)
        elif self._clock.now_s() > self._batch_until_s:
            await self._forward("POST", f"{BATCHES}/{self._batch}/cancel")
            self._tell(f"the batch {self._batch} did not end in {BATCH_PATIENCE_S / 60:.0f} minutes and is cancelled")
            self._batch = ""

    async def _collect(self, items: list[tuple[int, int]]) -> None:
        lines = (await self._forward("GET", f"{BATCHES}/{self._batch}/results")).splitlines()
        self._batch = ""
        for line in lines:
            item = _decoded(line, _Item)
            if item is None:
                continue
            at, _, number = item.custom_id.partition("-")
            raw = bytes(item.result.message)
            answer = _read(raw, self._clock.now_s(), self._clock.now_s(), 0)
            if not answer.error:
                answer = await self._booked(answer, raw)
            self._answers[int(at)][int(number)] = answer
            self._say(int(at), int(number), answer)
        self._fail([one for one in items if self._answers[one[0]][one[1]] is None], "the batch has no result for it")

    def _fail(self, items: list[tuple[int, int]], why: str) -> None:
        for at, number in items:
            self._answers[at][number] = Answer(Tokens(), self._clock.now_s(), self._clock.now_s(), error=why)

    async def _booked(self, answer: Answer, raw: bytes) -> Answer:
        """Calls book themselves; an item of a batch is booked here, at the batch price."""
        now_s, model = self._clock.now_s(), self._trial.capability.id
        terms = Terms(model, day_of(now_s), "batch")
        usage = Usage(answer.tokens)
        cost = price_usage(usage, terms, self._engine.knowledge.book)
        reading = read_message(raw)
        entry = Entry(
            id=self._ids(),
            opened_us=int(now_s * 1e6),
            settled_us=int(now_s * 1e6),
            key=self._engine.key_of(self._trial.key),
            model=model,
            endpoint="anthropic.batches",
            outcome="answered",
            resolution="post",
            usage_source="exact",
            usage=usage,
            postings=balanced(cost.pico, cost.pico, {}),
            served_model=reading.model,
            provider=self._engine.provider.name,
            mode="batch",
            status=200,
            price_book=cost.price_book,
            forecast_pico=cost.pico,
            message_id=reading.message_id,
            stop_reason=reading.stop_reason,
            note="doctor --live",
            attempts=1,
        )
        await self._engine.ledger.settle(entry)
        return answer._replace(cost_pico=cost.pico)

    async def _forward(self, method: str, path: str, body: object = None) -> bytes:
        """A call that is free in itself; its body, or why there is none."""
        try:
            return (await self._engine.forward(self._request(method, path, body))).body
        except ThriftgateError as error:
            return str(error).encode()


class _Batch(Struct):
    id: str
    processing_status: str


class _ItemResult(Struct):
    message: msgspec.Raw = msgspec.Raw(b"null")


class _Item(Struct):
    custom_id: str
    result: _ItemResult


class _Error(Struct):
    message: str = ""


class _Refused(Struct):
    error: _Error


def _decoded(raw: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        return None


def _read(raw: bytes, sent_s: float, done_s: float, cost_pico: int) -> Answer:
    """What a whole message, or an error in its place, says."""
    reading = read_message(raw)
    if not reading.complete or reading.usage is None:
        refused = _decoded(raw, _Refused)
        why = refused.error.message if refused is not None else "no message came"
        return Answer(Tokens(), sent_s, done_s, cost_pico, error=why or reading.error)
    return Answer(reading.usage.usage().total, sent_s, done_s, cost_pico)

"""The law of beliefs: in a world that differs from the documented one the bills tell, within twenty calls; in the documented
one they never mislead, though token counts are guesses.

A client of the simulator that forecasts with the believed rules, and learns from the bill as the engine does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Any

import msgspec
import pytest

from tests.laws.traffic import Traffic, prose
from thriftgate.core import cache
from thriftgate.core.belief_book import BeliefBook
from thriftgate.core.beliefs import DEFAULTS, Topic
from thriftgate.core.cache import Resident
from thriftgate.core.evidence import Evidence
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import CacheRules, SimClock, Simulator, SimulatorConfig
from thriftgate.wire.meter import StreamMeter, read_message

TABLE = load_models()
MODEL = "claude-opus-4-8"
CALLS_MAX = 20
Marks = Sequence[str | None]


def four_tokens_a_character(text: str, family: str) -> int:
    del family
    return 4 * len(text)


class Client:
    """Sends calls to a simulator and believes what their bills teach. `noise`: its token counts are off by so much."""

    def __init__(self, rules: CacheRules, *, noise: float = 0.0, seed: int = 0) -> None:
        self.clock = SimClock.frozen()
        self.simulator = Simulator(
            SimulatorConfig(clock=self.clock, tokenizer=four_tokens_a_character, rules=rules, enforce_prefix_binding=False)
        )
        self.transport = AsgiTransport(self.simulator)
        self.book = BeliefBook()
        self.memo = PartMemo()
        self.residency: dict[bytes, Resident] = {}
        self.random = Random(seed)
        self.noise = noise
        self.guesses: dict[bytes, float] = {}
        self.warnings: list[str] = []
        self.calls = 0
        self.forecast_right = 0
        self.missed = 0  # by more than the token counts are off
        self.learns = True

    async def call(self, body: dict[str, Any], key: str = "sk-ant-sim-test-1") -> list[dict[str, Any]] | None:
        """One call; the content of the answer, None for a request that the API refuses."""
        raw = msgspec.json.encode(body)
        headers = ((b"x-api-key", key.encode()), (b"anthropic-version", b"2023-06-01"))
        outgoing = Outgoing("POST", "http://simulator.invalid/v1/messages", headers, raw)
        request = parse_request(raw)
        capability = TABLE[request.model]
        prefix = read_prefix(request, capability, self.memo, key.split("-")[3].encode())
        incoming = await self.transport.send(outgoing, Timeouts())
        answer = await incoming.read()
        if incoming.status != 200:
            assert b"cache_control" in answer
            return None
        meter = StreamMeter()
        reading = meter.reading() if body.get("stream") and meter.feed(answer) else read_message(answer)
        assert reading.usage is not None
        marks = cache.client_breakpoints(request, prefix)
        now = self.clock()
        evidence = Evidence(
            prefix=prefix,
            cumulative=self._counts(body, prefix),
            breakpoints=marks,
            residency={digest: self.residency[digest] for digest in prefix.chain if digest in self.residency},
            billed=reading.usage.usage().total,
            now_s=now,
            usable_s=now + self.book.readable_s("anthropic", capability.id),
            cache_min_tokens=capability.cache_min_tokens,
        )
        self._learn(capability.id, evidence)
        return [] if body.get("stream") else list(msgspec.json.decode(answer)["content"])

    def _counts(self, body: dict[str, Any], prefix: Prefix) -> list[int]:
        exact = [tokens for _, tokens in self.simulator.count_blocks(body)[:-1]]
        off = [self.guesses.setdefault(one, 1 + self.random.uniform(-self.noise, self.noise)) for one in prefix.chain]
        return list(accumulate(round(tokens * factor) for tokens, factor in zip(exact, off, strict=True)))

    def _learn(self, model: str, evidence: Evidence) -> None:
        """As the engine does: forecast by the beliefs, then take the lesson in."""
        outcome = cache.forecast(
            evidence.prefix,
            evidence.cumulative,
            evidence.breakpoints,
            evidence.residency,
            now_s=evidence.now_s,
            usable_s=evidence.usable_s,
            cache_min_tokens=self.book.minimum("anthropic", model, evidence.cache_min_tokens),
            rules=self.book.rules("anthropic", model),
        )
        self.calls += 1
        self.forecast_right += outcome.tokens.read == evidence.billed.read
        self.missed += abs(outcome.tokens.read - evidence.billed.read) > 0.05 * evidence.billed.read + 40
        lesson = self.book.learn("anthropic", model, evidence)
        if not self.learns:
            self.book = BeliefBook()
        for digest in lesson.gone:
            self.residency.pop(digest, None)
        self.residency.update(lesson.entries)
        self.warnings += lesson.warnings

    def assumes(self, topic: Topic, model: str = MODEL) -> bool:
        return self.book.of("anthropic", model).assumes(topic)


def text(number: int, size: int = 600) -> str:
    return f"{number} " + prose(Random(number), size)


def body_of(*blocks: tuple[int, str | None], question: str = "And now?") -> dict[str, Any]:
    """Numbered system blocks of about 2,400 tokens each, with a breakpoint of this TTL or none."""
    system: list[dict[str, Any]] = []
    for number, ttl in blocks:
        mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {}
        system.append({"type": "text", "text": text(number)} | mark)
    return {
        "model": MODEL,
        "max_tokens": 50,
        "stream": False,
        "system": system,
        "messages": [{"role": "user", "content": question}],
    }


Round = list[tuple[float, dict[str, Any]]]


def late_upgrade(base: int) -> Round:
    """An hour entry behind a five-minute one, asked for after ten minutes."""
    return [
        (0, body_of((base, "5m"))),
        (60, body_of((base, None), (base + 1, "1h"))),
        (600, body_of((base, None), (base + 1, "1h"))),
    ]


def nested(base: int, *, marked: bool) -> Round:
    """A shared and a deep entry; the deep one is read, then another prompt on the shared one is asked."""
    shared, deep = (base, "5m"), (base + 1, "5m")
    again = shared if marked else (base, None)
    return [(0, body_of(shared, deep)), (200, body_of(again, deep)), (200, body_of(shared, (base + 2, "5m")))]


def inserted(base: int) -> Round:
    """A breakpoint on the shared part once the deep entry is there."""
    shared, deep = (base, "5m"), (base + 1, "5m")
    return [(0, body_of((base, None), deep)), (30, body_of(shared, deep)), (30, body_of(shared, (base + 2, "5m")))]


def in_place(base: int) -> Round:
    return [(0, body_of((base, "5m"))), (30, body_of((base, "1h"))), (600, body_of((base, "1h")))]


async def until_told(client: Client, rounds: Any, topic: Topic, *, expected: bool) -> int:
    """How many calls it takes until the belief is right; fails after twenty."""
    for number in range(100):
        for gap_s, body in rounds(1000 + 10 * number):
            client.clock.advance(gap_s)
            assert await client.call(body) is not None
            if client.assumes(topic) is expected:
                return client.calls
            assert client.calls < CALLS_MAX, f"{topic} not noticed within {CALLS_MAX} calls"
        client.clock.advance(4_000)
    raise AssertionError


SWITCHES: list[tuple[CacheRules, Topic, bool, Any]] = [
    (CacheRules(late_upgrade=False), "late_upgrade", False, late_upgrade),
    (CacheRules(refresh="hit_only"), "refresh_marked", False, lambda base: nested(base, marked=True)),
    (CacheRules(refresh="ancestors"), "refresh_ancestors", True, lambda base: nested(base, marked=False)),
    (CacheRules(free_insert=False), "free_insert", False, inserted),
    (CacheRules(in_place_upgrade=True), "in_place_upgrade", True, in_place),
    (CacheRules(grant_1h=False), "hour_granted", False, late_upgrade),
]


@pytest.mark.parametrize("noise", [0.0, 0.04])
@pytest.mark.parametrize(("rules", "topic", "expected", "rounds"), SWITCHES, ids=[row[1] for row in SWITCHES])
async def test_the_other_world_is_noticed_within_twenty_calls(
    rules: CacheRules, topic: Topic, expected: bool, rounds: Any, noise: float
) -> None:
    client = Client(rules, noise=noise)
    needed = await until_told(client, rounds, topic, expected=expected)
    assert needed <= CALLS_MAX
    assert len(client.warnings) == 1
    assert MODEL in client.warnings[0]
    assert all(client.assumes(other) is DEFAULTS[other] for other in DEFAULTS if other != topic)
    # From here on forecasts are right, and nothing more is said.
    client.calls = client.forecast_right = 0
    for number in range(5):
        client.clock.advance(4_000)
        for gap_s, body in rounds(5_000 + 10 * number):
            client.clock.advance(gap_s)
            await client.call(body)
    assert len(client.warnings) == 1
    assert noise or client.forecast_right == client.calls


@pytest.mark.parametrize(("minimum", "blocks"), [(4_096, 1), (512, 0)])
async def test_another_minimum_is_noticed(minimum: int, blocks: int) -> None:
    """Documented are 1,024 tokens for this model."""
    client = Client(CacheRules(min_tokens=minimum), noise=0.04)
    for number in range(CALLS_MAX):
        body = body_of((number, "5m"))
        if not blocks:
            body["system"][0]["text"] = text(number, 170)
        await client.call(body)
        client.clock.advance(10)
    assert client.book.minimum("anthropic", MODEL, 1_024) == minimum
    assert client.warnings == [
        f"the provider caches from {minimum:,} tokens on {MODEL}, not from 1,024: breakpoints are placed by that"
    ]


async def test_entries_that_are_readable_late_are_noticed() -> None:
    client = Client(CacheRules(readable_after_s=20.0), noise=0.04)
    for number in range(CALLS_MAX):
        await client.call(body_of((number // 2, "5m")))
        client.clock.advance(10)
    assert client.book.readable_s("anthropic", MODEL) == 10.0
    assert client.warnings == [f"what is written can be read only after about 10.0 s on {MODEL}: forecasts wait for it"]
    client.simulator.config.rules = client.simulator.service.cache.rules = CacheRules()
    for _ in range(2):
        await client.call(body_of((100, "5m")))
        client.clock.advance(5)
    assert client.book.readable_s("anthropic", MODEL) == 0.0


@pytest.mark.parametrize(("noise", "calls"), [(0.03, 2_000), (0.0, 400)])
async def test_no_false_alarm_in_the_documented_world(noise: float, calls: int) -> None:
    answered = seed = 0
    while answered < calls:
        client, traffic = Client(CacheRules(), noise=noise, seed=seed), Traffic(seed)
        for _ in range(100):
            step = traffic.step()
            client.clock.advance(step.gap_s)
            content = await client.call(step.body, step.key)
            if content is not None:
                traffic.answered(step, content)
        assert client.warnings == [], seed
        answered += client.calls
        seed += 1


async def test_evictions_are_not_taken_for_another_world() -> None:
    """The provider forgets everything now and then: forecasts are wrong, beliefs stay."""
    for seed in range(10):
        client, traffic, random = Client(CacheRules(), noise=0.03, seed=seed), Traffic(seed), Random(seed)
        for _ in range(100):
            step = traffic.step()
            client.clock.advance(step.gap_s)
            if random.random() < 0.03:
                client.simulator.service.cache.clear()
            content = await client.call(step.body, step.key)
            if content is not None:
                traffic.answered(step, content)
        assert client.warnings == [], seed


async def test_worlds_that_differ_in_several_ways_are_forecast_better_for_learning() -> None:
    random, missed = Random(5), {True: 0, False: 0}
    for seed in range(12):
        rules = CacheRules(
            late_upgrade=random.random() < 0.5,
            refresh=random.choice(("hit_only", "hit_and_marked", "ancestors")),
            free_insert=random.random() < 0.5,
            in_place_upgrade=random.random() < 0.5,
            grant_1h=random.random() < 0.8,
        )
        for learns in (True, False):
            client, traffic = Client(rules, noise=0.03, seed=seed), Traffic(seed)
            client.learns = learns
            for _ in range(100):
                step = traffic.step()
                client.clock.advance(step.gap_s)
                content = await client.call(step.body, step.key)
                if content is not None:
                    traffic.answered(step, content)
            missed[learns] += client.missed
    assert missed[True] <= 0.7 * missed[False], missed

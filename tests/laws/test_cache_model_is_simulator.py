"""The law behind every forecast: the cache model and the simulator, written apart from each other, bill alike.

A seed draws the traffic and the rules. Each request goes to the simulator; the model, fed with the simulator's own token
counts and with the entries it believes in, must have said exactly what the reply then reports.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.traffic import Body, Traffic
from thriftgate.core import cache
from thriftgate.core.blocks import Block
from thriftgate.core.cache import Breakpoint, Resident
from thriftgate.core.memo import PartMemo
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.usage import Tokens
from thriftgate.pricing.load import load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import ApiError, CacheRules, Latency, SimClock, Simulator, SimulatorConfig
from thriftgate.wire.meter import Reading, StreamMeter, read_message

TABLE = load_models()
STEPS = 12
REFRESH = {"marked": "hit_and_marked", "hit_only": "hit_only", "ancestors": "ancestors"}


def four_tokens_a_character(text: str, family: str) -> int:
    """A tokenizer that makes long prompts of short texts."""
    del family
    return 4 * len(text)


class Pair:
    """A simulator, and the model of its cache under the same rules."""

    def __init__(self, random: Random, rules: cache.CacheRules) -> None:
        self.rules = rules
        self.clock = SimClock.frozen()
        self.latency_s = random.choice((0.0, 0.0, 5.0))
        self.readable_after_s = random.choice((None, None, 2.0, 20.0))
        simulated = CacheRules(
            lookback=rules.lookback_positions,
            collapse_runs=rules.collapse_runs,
            refresh=REFRESH[rules.refresh],
            free_insert=rules.free_insert,
            late_upgrade=rules.late_upgrade,
            in_place_upgrade=rules.in_place_upgrade,
            readable_after_s=self.readable_after_s,
        )
        self.simulator = Simulator(
            SimulatorConfig(
                clock=self.clock,
                tokenizer=four_tokens_a_character,
                rules=simulated,
                latency=Latency(first_byte_s=self.latency_s),
                enforce_prefix_binding=False,
            )
        )
        self.transport = AsgiTransport(self.simulator)
        self.memo = PartMemo()
        self.residency: dict[bytes, Resident] = {}

    async def ask(self, body: bytes, key: str) -> tuple[int, Reading, list[dict[str, Any]]]:
        """Send a request; the status, what the meter read, and the content of the answer."""
        headers = ((b"x-api-key", key.encode()), (b"anthropic-version", b"2023-06-01"))
        outgoing = Outgoing("POST", "http://simulator.invalid/v1/messages", headers, body)
        incoming = await self.transport.send(outgoing, Timeouts())
        answer = await incoming.read()
        if not msgspec.json.decode(body)["stream"] or incoming.status != 200:
            return incoming.status, read_message(answer), msgspec.json.decode(answer).get("content", [])
        meter = StreamMeter()
        assert meter.feed(answer)
        return incoming.status, meter.reading(), []

    def blocks(self, body: Body, prefix: Prefix) -> tuple[list[int], int]:
        """The simulator's cumulative counts at each block, and what follows the last one."""
        counted = self.simulator.count_blocks(body)
        assert [label(block) for block in prefix.blocks] == [name for name, _ in counted[:-1]]
        return list(accumulate(tokens for _, tokens in counted[:-1])), counted[-1][1]

    def forecast(self, body: Body, request: Request, prefix: Prefix, marks: tuple[Breakpoint, ...]) -> cache.CacheOutcome:
        """What the model says of a request that is sent now."""
        now = self.clock()
        cumulative, tail = self.blocks(body, prefix)
        outcome = cache.forecast(
            prefix,
            cumulative,
            marks,
            self.residency,
            now_s=now,
            usable_s=now + max(self.latency_s, self.readable_after_s or 0.0),
            cache_min_tokens=TABLE[request.model].cache_min_tokens,
            rules=self.rules,
        )
        return msgspec.structs.replace(
            outcome, tokens=msgspec.structs.replace(outcome.tokens, input=outcome.tokens.input + tail)
        )


def label(block: Block) -> str:
    """A block's place as the simulator writes it."""
    inner = f".content.{block.item}" if block.section == "messages" else ""
    return f"{block.section}.{block.index}{inner}"


def prompt_side(tokens: Tokens) -> Tokens:
    return msgspec.structs.replace(tokens, output=0, thinking=0)


async def compare(seed: int, rules: cache.CacheRules) -> list[Tokens]:
    """Drive a sequence; what was billed, request by request."""
    pair, traffic = Pair(Random(seed), rules), Traffic(seed)
    billed: list[Tokens] = []
    for number in range(STEPS):
        step = traffic.step()
        pair.clock.advance(step.gap_s)
        raw = msgspec.json.encode(step.body)
        request = parse_request(raw)
        capability = TABLE[request.model]
        prefix = read_prefix(request, capability, pair.memo, step.key.split("-")[3].encode())
        assert prefix.chain == read_prefix(request, capability, PartMemo(), step.key.split("-")[3].encode()).chain
        marks = cache.client_breakpoints(request, prefix)
        try:
            outcome = pair.forecast(step.body, request, prefix, marks)
        except ApiError as error:
            if "cache_control" not in str(error):  # the traffic's own breakpoints may break a rule; nothing else may
                raise
            assert (await pair.ask(raw, step.key))[0] == 400
            continue
        status, reading, content = await pair.ask(raw, step.key)
        assert status == 200
        assert reading.usage is not None
        told = prompt_side(reading.usage.usage().total)
        assert outcome.tokens == told, f"request {number}: hit {outcome.hit}, breakpoints {marks}, {step.body['model']}"
        pair.residency.update(outcome.entries)
        traffic.answered(step, content)
        billed.append(told)
    await pair.transport.close()
    return billed


RULES = st.builds(
    cache.CacheRules,
    lookback_positions=st.sampled_from((20, 20, 5, 2, 1)),
    collapse_runs=st.booleans(),
    refresh=st.sampled_from(("marked", "hit_only", "ancestors")),
    free_insert=st.booleans(),
    late_upgrade=st.booleans(),
    in_place_upgrade=st.booleans(),
)


@settings(max_examples=max(150, settings().max_examples))
@given(seed=st.integers(0, 2**40))
def test_under_the_documented_rules(seed: int) -> None:
    asyncio.run(compare(seed, cache.CacheRules()))


@settings(max_examples=max(200, settings().max_examples))
@given(seed=st.integers(0, 2**40), rules=RULES)
def test_under_any_rules(seed: int, rules: cache.CacheRules) -> None:
    asyncio.run(compare(seed, rules))

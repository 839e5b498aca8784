"""A log without its cache figures: what a replay makes of it, by hand."""

from __future__ import annotations

import msgspec
import pytest

from tests.fixtures import message
from thriftgate.core.errors import InputError, PolicyRefusal
from thriftgate.core.plan import Policy
from thriftgate.engine.replay import Logged, Replay
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.pricing.load import load_book, load_models
from thriftgate.wire.usage import ApiIteration, ApiUsage

BOOK, MODELS = load_book(), load_models()
NOON_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z
BODY = msgspec.json.encode(message(system="word " * 6_000))  # blocks: the system prompt, the question
MILLION = 1_000_000


def logged(after_s: float = 0.0, *, body: bytes = BODY, usage: ApiUsage | None = None, **members: object) -> Logged:
    told = usage or ApiUsage(input_tokens=6_020, output_tokens=7)
    values: dict[str, object] = {
        "id": "tg_1",
        "at_s": NOON_S + after_s,
        "began_s": NOON_S + after_s + 1.0,
        "key": "key_a",
        "body": body,
        "usage": told,
        "cumulative": (6_000, 6_010),
    }
    return msgspec.convert(values | members, Logged, from_attributes=True)


def new(policy: Policy | None = None) -> Replay:
    return Replay(Knowledge(BOOK, MODELS), policy or Policy())


def test_a_write_and_a_read_are_priced_by_hand() -> None:
    replay = new()
    first, second = replay.call(logged()), replay.call(logged(60.0))
    # Opus 4.8: $5 input, $6.25 a 5m write, $0.50 read, $25 output per million; 10 tokens stand behind the last block.
    assert -first.entry.posted(UPSTREAM) == 6_010 * 6_250_000 + 10 * 5 * MILLION + 7 * 25 * MILLION
    assert -second.entry.posted(UPSTREAM) == 6_010 * 500_000 + 10 * 5 * MILLION + 7 * 25 * MILLION
    assert first.entry.posted(BASELINE) == second.entry.posted(BASELINE) == 6_020 * 5 * MILLION + 7 * 25 * MILLION
    assert (first.entry.opened_us, first.entry.ttfb_ms) == (int(NOON_S * 1e6), 1_000)
    assert first.entry.balance() == second.entry.balance() == 0


def test_another_policy_has_another_bill() -> None:
    replay = new(Policy(levers=()))
    entries = [replay.call(logged(60.0 * number)).entry for number in range(2)]
    assert [-entry.posted(UPSTREAM) for entry in entries] == [entry.posted(BASELINE) for entry in entries]
    assert entries[0].usage.total.input == 6_020


def test_what_was_not_readable_yet_is_not_read() -> None:
    replay = new()
    assert replay.call(logged()).plan.breakpoints
    assert replay.call(logged(0.5)).entry.usage.total.read == 0
    assert replay.call(logged(2.0)).entry.usage.total.read == 6_010


def test_a_total_alone_is_enough() -> None:
    replay = new()
    first, second = (replay.call(logged(60.0 * number, cumulative=())).entry.usage.total for number in range(2))
    assert first.write_5m == second.read == first.prompt == 6_020


def test_a_rewritten_prompt_is_counted_anew() -> None:
    dated = msgspec.json.encode(message(system=f"Today is 2026-11-21.\n{'word ' * 6_000}"))
    replay = new(Policy(stabilise=("split_volatile",)))
    replayed = replay.call(logged(body=dated))
    assert replayed.plan.body != dated
    assert replayed.entry.usage.total.prompt == 6_020


def test_what_several_prompts_used_stays_as_it_was() -> None:
    parts = [ApiIteration(input_tokens=4_000, output_tokens=3), ApiIteration(input_tokens=2_020, output_tokens=4)]
    usage = ApiUsage(input_tokens=6_020, output_tokens=7, iterations=parts)
    entry = new().call(logged(usage=usage)).entry
    assert entry.usage == usage.usage()


def test_what_is_refused_teaches_nothing() -> None:
    replay = new(Policy(cost_limit_pico=1))
    with pytest.raises(PolicyRefusal):
        replay.call(logged())
    with pytest.raises(InputError):
        replay.call(logged(body=b"[]"))
    replay.policy = Policy()
    assert replay.call(logged(1.0)).entry.usage.total.read == 0

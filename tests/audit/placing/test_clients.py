"""Each comparison policy marks what its client marks, and its bill can be added up by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from benchmarks.cache import adversarial
from benchmarks.cache.replay import replay

from thriftgate.audit.placing import clients as policies
from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.traces.grow import Call, Points, assemble
from thriftgate.audit.traces.trace import Ask, Trace
from thriftgate.core.cache import Breakpoint
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

WORLD = World()
Placed = list[tuple[int, Ttl]]
TURNS = (12_000, 20_000, 20_500, 26_000, 30_000, 34_000)


def conversation(gap_s: float = 60.0, turns: Sequence[int] = TURNS, *, structure: bool = True) -> Trace:
    """Tools to 4,000 tokens, system to 10,000, then the turns, each an end of a request, `gap_s` apart."""
    points = Points()
    tools = points.add(0, 4_000)
    system = points.add(tools, 10_000)
    end, calls = system, []
    for number, depth in enumerate(turns):
        end = points.add(end, depth)
        at_s = number * gap_s
        heads = (tools, system) if structure else (0, 0)
        calls.append(Call(at_s, at_s + 1, 0, points.way(end), "text", *heads))
    return assemble("conversation", calls, points.depth)


def placed(name: str, trace: Trace, world: World = WORLD) -> list[Placed | None]:
    """What the policy marks, as depths in tokens, request by request; None where the API refuses it."""
    policy = policies.client(name, world)
    found: list[Placed | None] = []
    for ask in trace.asks:
        marks = policy.place(ask)
        found.append(None if marks is None else [(ask.cumulative[mark.at], mark.ttl) for mark in marks])
    return found


def at(ttl: Ttl, *depths: int) -> Placed:
    return [(depth, ttl) for depth in depths]


THIRD: dict[str, Placed] = {
    "none": [],
    "auto-5m": at("5m", 20_500),
    "auto-1h": at("1h", 20_500),
    "system-5m": at("5m", 10_000),
    "habit-5m": at("5m", 10_000, 20_000, 20_500),
    "habit-1h": at("1h", 10_000, 20_000, 20_500),
    "habit-1h-5m": at("1h", 10_000) + at("5m", 20_000, 20_500),
    "four-5m": at("5m", 4_000, 10_000, 12_000, 20_500),
    "rule-6": at("1h", 10_000, 20_000, 20_500),
    "P2-claude-code": at("5m", 10_000, 20_500),
    "P2-claude-code-1h": at("1h", 10_000, 20_500),
    "P3-opencode": at("5m", 10_000, 20_500),
    "P4-copilot": at("5m", 4_000, 10_000, 20_000, 20_500),
    "P5-langchain": at("5m", 4_000, 10_000, 20_500),
    "P6a-pydantic-ai": at("5m", 20_500),
    "P6b-pydantic-ai": at("5m", 4_000, 10_000, 20_500),
    "P7-litellm-user": at("5m", 12_000, 20_000, 20_500),
    "P8-aider": at("5m", 10_000, 20_000),
    "P9-mini-swe-agent": at("5m", 20_500),
    "P10-autocache-conservative": at("1h", 4_000, 10_000),
    "P10-autocache-moderate": at("1h", 4_000, 10_000) + at("5m", 12_000),
    "P10-autocache-aggressive": at("1h", 4_000, 10_000) + at("5m", 12_000, 20_000),
    "P11-deer-flow": at("5m", 4_000, 20_000, 20_500),
    "P12-cline": at("5m", 10_000, 20_500),
    "P13-neovate": at("5m", 10_000),
    "P14-lean-ctx": at("5m", 4_000, 10_000),
    "P15-oh-my-pi": at("5m", 20_000, 20_500),
    "P15-oh-my-pi-1h": at("1h", 20_000, 20_500),
    "P16-nemo-relay": at("5m", 4_000, 10_000, 12_000),
}


def test_every_policy_has_an_expectation() -> None:
    assert set(THIRD) == set(policies.ROWS)
    assert all(row.source for row in policies.CLIENTS)


@pytest.mark.parametrize("name", THIRD)
def test_marks_of_the_third_turn(name: str) -> None:
    trace = conversation(gap_s=20.0)
    assert placed(name, trace)[2] == THIRD[name]
    assert policies.client(name, World()).name == name


@pytest.mark.parametrize("name", THIRD)
def test_marks_are_ones_the_api_takes_and_deterministic(name: str) -> None:
    for trace in (conversation(), adversarial.generate("just-over-5-minutes", 40)):
        found = placed(name, trace)
        assert found == placed(name, trace)
        for marks, ask in zip(found, trace.asks, strict=True):
            if marks is not None:
                assert policies.accepted([Breakpoint(ask.cumulative.index(depth), ttl) for depth, ttl in marks])
                assert marks == sorted(set(marks))


def test_nobody_guesses_where_system_ends() -> None:
    trace = conversation(structure=False)
    for name in ("habit-5m", "P4-copilot", "P5-langchain"):
        assert placed(name, trace)[0] == at("5m", 12_000)
    for name in ("system-5m", "P13-neovate", "P14-lean-ctx"):
        assert set(map(str, placed(name, trace))) == {"[]"}


def test_litellm_marks_every_user_message_until_the_api_refuses_and_that_is_billed_in_full() -> None:
    trace = conversation()
    found = placed("P7-litellm-user", trace)
    assert [marks is None for marks in found] == [False] * 4 + [True] * 2
    result = replay(trace, policies.client("P7-litellm-user", World()), World())
    written = 1.25 * 26_000 + 0.1 * (12_000 + 20_000 + 20_500)
    assert result.rejected == 2
    assert result.cost == pytest.approx(written + 30_000 + 34_000)
    assert result.tokens.prompt == sum(result.plain) == trace.tokens
    assert policies.client("P7-litellm-user", World()).name == result.policy


def test_what_the_api_refuses() -> None:
    def order(*ttls: Ttl) -> list[Breakpoint]:
        return [Breakpoint(at, ttl) for at, ttl in enumerate(ttls)]

    assert policies.accepted([])
    assert policies.accepted(order("1h", "1h", "5m", "5m"))
    assert not policies.accepted(order("5m", "1h"))
    assert not policies.accepted(order("5m", "5m", "5m", "5m", "5m"))


def bill(name: str, trace: Trace, world: World = WORLD) -> float:
    return replay(trace, policies.client(name, world), world).cost


def test_bills_of_three_turns_by_hand() -> None:
    trace = conversation(turns=TURNS[:3])
    assert bill("none", trace) == 12_000 + 20_000 + 20_500
    assert bill("auto-5m", trace) == pytest.approx(1.25 * 20_500 + 0.1 * 32_000)
    assert bill("auto-1h", trace) == pytest.approx(2 * 20_500 + 0.1 * 32_000)
    assert bill("system-5m", trace) == pytest.approx(1.25 * 10_000 + 2_000 + 0.1 * 20_000 + 10_000 + 10_500)
    assert bill("habit-1h-5m", trace) == pytest.approx(2 * 10_000 + 1.25 * 10_500 + 0.1 * 32_000)
    # The previous message is marked, not the newest: each turn pays what is new in full and writes it a turn later.
    aider = (1.25 * 10_000 + 2_000) + (0.1 * 10_000 + 1.25 * 2_000 + 8_000) + (0.1 * 12_000 + 1.25 * 8_000 + 500)
    assert bill("P8-aider", trace) == pytest.approx(aider)


def test_six_minutes_later_a_five_minute_entry_is_gone_and_one_of_an_hour_is_not() -> None:
    trace = conversation(gap_s=360, turns=(12_000, 12_500))
    assert bill("auto-5m", trace) == 1.25 * (12_000 + 12_500)
    assert bill("auto-1h", trace) == pytest.approx(2 * 12_000 + 0.1 * 12_000 + 2 * 500)
    # The hour starts with the second turn, and only while the first is still cached.
    assert placed("rule-6", trace)[1] == at("5m", 10_000, 12_000, 12_500)
    assert placed("rule-6", conversation(gap_s=299, turns=(12_000, 12_500)))[1] == at("1h", 10_000, 12_000, 12_500)


def test_autocache_takes_only_what_is_long_enough_and_in_its_own_order() -> None:
    trace = conversation(turns=(12_000, 12_100, 20_000, 20_500))
    assert placed("P10-autocache-moderate", trace)[3] == at("1h", 4_000, 10_000) + at("5m", 12_000)
    high = World(minimum=4_096)
    assert placed("P10-autocache-conservative", trace, high)[3] == []
    assert placed("P10-autocache-moderate", trace, high)[3] == at("1h", 10_000) + at("5m", 20_000)
    assert placed("P10-autocache-aggressive", trace, high)[3] == at("1h", 4_000, 10_000) + at("5m", 20_000)


def test_stable_blocks_are_marked_from_the_second_observation_on_for_as_long_as_sessions_last() -> None:
    trace = conversation(gap_s=50)
    found = placed("P16-nemo-relay", trace)
    assert found[:2] == [[], []]
    assert found[2] == at("5m", 4_000, 10_000, 12_000)
    assert found[3] == at("1h", 4_000, 10_000, 12_000)  # 20,000 was in two of three: not stable; the session lasts 100 s
    other = adversarial.generate("unique", 30)
    assert placed("P16-nemo-relay", other) == [[]] * 30


def test_stable_blocks_forget_what_left_the_window() -> None:
    points = Points()
    old, new = points.add(0, 2_000), points.add(0, 3_000)
    ends = [points.add(old if n < 100 else new, 9_000 + n) for n in range(220)]
    trace = assemble("switch", [Call(n, n, n, points.way(end)) for n, end in enumerate(ends)], points.depth)
    found = placed("P16-nemo-relay", trace)
    assert found[99] == at("5m", 2_000)
    assert found[150] == []
    assert found[219] == at("5m", 3_000)


class Recorder:
    """What a policy is told."""

    name = "recorder"

    def __init__(self) -> None:
        self.told: list[tuple[float, int]] = []

    def place(self, ask: Ask) -> Sequence[Breakpoint] | None:
        return None if ask.at_s == 0 else [Breakpoint(len(ask.cumulative) - 1, "5m")]

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        self.told.append((ask.at_s, tokens.write_5m))


def test_a_refused_request_leaves_nothing_in_the_cache_and_is_not_answered() -> None:
    policy = Recorder()
    acting: PlacementPolicy = policy
    result = replay(conversation(turns=(12_000, 20_000)), acting, World())
    assert (result.rejected, result.cost) == (1, 12_000 + 1.25 * 20_000)
    assert policy.told == [(60.0, 20_000)]


@pytest.mark.parametrize("name", adversarial.GENERATORS)
def test_generated_traffic_is_the_same_for_a_seed_and_in_order(name: str) -> None:
    trace = adversarial.generate(name, 300, seed=3)
    assert trace == adversarial.generate(name, 300, seed=3)
    assert trace != adversarial.generate(name, 300, seed=4)
    assert trace.name == adversarial.PREFIX + name
    assert 200 <= len(trace.asks) <= 300
    times = [ask.at_s for ask in trace.asks]
    assert times == sorted(times)
    assert all(ask.cumulative[-1] == trace.depths[ask.path[-1]] for ask in trace.asks)
    assert {ask.session for ask in trace.asks} == set(range(trace.sessions))


def test_generated_traffic_hurts_as_it_says() -> None:
    world = World()

    def ratio(policy: str, name: str) -> float:
        trace = adversarial.generate(name, 300)
        return bill(policy, trace) / trace.tokens

    assert ratio("auto-5m", "unique") == pytest.approx(1.25)
    assert ratio("auto-1h", "distinct") == pytest.approx(2.0)
    assert ratio("auto-5m", "just-over-5-minutes") == pytest.approx(1.25)
    assert ratio("auto-1h", "just-over-5-minutes") < 0.5
    assert ratio("auto-1h", "just-over-an-hour") == pytest.approx(2.0)
    assert ratio("auto-5m", "unique-behind-system") == pytest.approx(1.25)
    assert ratio("system-5m", "unique-behind-system") < 0.75
    # From the new end alone look-back does not reach the old one; a mark on the old one does.
    assert ratio("auto-5m", "beyond-look-back") > 1.2
    assert ratio("habit-5m", "beyond-look-back") < 0.5
    assert world.rules.lookback_positions < 26


def test_the_planned_sizes() -> None:
    full, quick = dict(adversarial.sources(quick=False)), dict(adversarial.sources(quick=True))
    assert (full["adversarial/distinct"], quick["adversarial/distinct"]) == (1_000_000, 200_000)
    assert full.keys() == quick.keys() == {adversarial.PREFIX + name for name in adversarial.GENERATORS}

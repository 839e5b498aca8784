"""Ceilings: what stops, what warns, and what the caller reads."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from thriftgate.core.agents.limits import Amount, Guard, GuardLimits, Response, Spent, Verdict, judge
from thriftgate.core.agents.loops import Loop
from thriftgate.core.money import pico_from_usd

CENT = pico_from_usd("0.01")
NONE = GuardLimits()
LOOP = Loop("repeated", 5, 5, "Bash made the same call 5 times in a row, and it failed each time")
WORST = Amount(1_000, 10 * CENT)
SPENT = Spent(Amount(9_000, 80 * CENT), Amount(500, 5 * CENT), calls=7)


def test_without_limits_nothing_is_said() -> None:
    assert judge(Guard(NONE, SPENT, SPENT, steps=99), Amount(10**9, 10**18)) == Verdict()
    assert judge(Guard(NONE), WORST).action == ""


EDGES = [
    (GuardLimits(call_tokens=1_000), GuardLimits(call_tokens=999)),
    (GuardLimits(call_pico=10 * CENT), GuardLimits(call_pico=10 * CENT - 1)),
    (GuardLimits(conversation_tokens=10_500), GuardLimits(conversation_tokens=10_499)),
    (GuardLimits(conversation_pico=95 * CENT), GuardLimits(conversation_pico=95 * CENT - 1)),
    (GuardLimits(run_tokens=10_500), GuardLimits(run_tokens=10_499)),
    (GuardLimits(run_pico=95 * CENT), GuardLimits(run_pico=95 * CENT - 1)),
    (GuardLimits(steps=12), GuardLimits(steps=11)),
]


@pytest.mark.parametrize(("within", "over"), EDGES)
@pytest.mark.parametrize("action", ["stop", "warn"])
def test_up_to_the_ceiling_and_not_beyond(within: GuardLimits, over: GuardLimits, action: Response) -> None:
    within, over = replace(within, on_limit=action), replace(over, on_limit=action)
    assert judge(Guard(within, SPENT, SPENT, steps=12), WORST) == Verdict()
    verdict = judge(Guard(over, SPENT, SPENT, steps=12), WORST)
    assert verdict.action == action
    assert "ceiling" in verdict.reason


def test_a_run_that_nobody_names_has_no_ceiling() -> None:
    assert judge(Guard(GuardLimits(run_tokens=1, run_pico=1)), WORST) == Verdict()


def test_the_caller_reads_what_was_spent_and_what_to_do() -> None:
    assert judge(Guard(GuardLimits(conversation_pico=90 * CENT), SPENT), WORST).reason == (
        "this conversation has cost $0.8 in 7 calls, calls under way may cost $0.05 and this call could cost up to $0.1 "
        "more, over the ceiling of $0.9 per conversation; begin a new conversation, lower max_tokens, or raise "
        "guard.conversation_usd"
    )
    assert judge(Guard(GuardLimits(run_tokens=9_500), run=replace(SPENT, under_way=Amount())), WORST).reason == (
        "this run has used 9000 tokens in 7 calls and this call could use up to 1000 more, over the ceiling of 9500 per "
        "run; begin a new run, lower max_tokens, or raise guard.run_tokens"
    )
    assert judge(Guard(GuardLimits(call_pico=CENT)), WORST).reason == (
        "this call could cost up to $0.1, over the ceiling of $0.01 per call; shorten the prompt, lower max_tokens, or "
        "raise guard.call_usd"
    )
    assert judge(Guard(GuardLimits(steps=25), steps=26), WORST).reason == (
        "the agent has made more than 25 rounds of tool calls since the user last spoke, its ceiling; tell it how to go on, "
        "or raise guard.steps"
    )


def test_a_loop_warns_unless_it_is_to_stop() -> None:
    assert judge(Guard(NONE, loop=LOOP), WORST) == Verdict("warn", f"the agent seems to be in a loop: {LOOP.reason}")
    stopped = judge(Guard(GuardLimits(on_loop="stop"), loop=LOOP), WORST)
    assert stopped.action == "stop"
    assert "nothing was sent" in stopped.reason


def test_a_stop_goes_before_a_warning_and_warnings_are_told_together() -> None:
    limits = GuardLimits(steps=3, call_tokens=1)
    assert judge(Guard(limits, steps=4, loop=LOOP), WORST).reason.startswith("this call could use")
    stopping = judge(Guard(replace(limits, on_limit="warn", on_loop="stop"), steps=4, loop=LOOP), WORST)
    assert stopping.reason.startswith("the agent seems to be in a loop")
    both = judge(Guard(replace(limits, on_limit="warn"), steps=4, loop=LOOP), WORST)
    assert both.action == "warn"
    assert [word in both.reason for word in ("guard.call_tokens; the", "guard.steps; the", LOOP.reason)] == [True] * 3


def test_what_passes_can_never_take_the_sum_over_the_ceiling() -> None:
    """Calls begin and end in any order, each costs at most its worst case."""
    for seed in range(300):
        random = Random(seed)
        ceilings = Amount(random.randint(1, 10_000), random.randint(1, 10_000))
        limits = GuardLimits(conversation_tokens=ceilings.tokens, conversation_pico=ceilings.pico)
        used, flying = Amount(), list[Amount]()
        for _ in range(200):
            if flying and random.random() < 0.5:
                worst = flying.pop(random.randrange(len(flying)))
                share = random.choice((0.0, random.random(), 1.0))
                used = Amount(used.tokens + int(worst.tokens * share), used.pico + int(worst.pico * share))
            worst = Amount(random.randint(0, 2_000), random.randint(0, 2_000))
            under_way = Amount(sum(one.tokens for one in flying), sum(one.pico for one in flying))
            if judge(Guard(limits, Spent(used, under_way)), worst).action == "":
                flying.append(worst)
            assert used.tokens <= ceilings.tokens
            assert used.pico <= ceilings.pico

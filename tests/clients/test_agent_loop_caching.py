"""An agent loop on the official SDK that marks its prompts as Claude Code does, through the gateway in every cache mode.

Thirty turns of one conversation: tool calls one after another, twelve at once, seconds between calls and minutes between
turns, some of them six to twenty, drawn from a seed. Marked are the second and the last block of the system prompt and the
last block of the last user message. The bill is the simulator's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import pytest

from tests.clients.observed import Observed, check_untouched, observed
from tests.clients.stack import KEY
from tests.fixtures import TestClock
from thriftgate.simulator import CacheRules

MODEL = "claude-opus-5-5"
TURNS = 30
MODES = ("observe", "ttl-only", "add", "full")
MARK = {"type": "ephemeral"}
SAID = "Step done."
TOOLS = [
    {
        "name": name,
        "description": " ".join(f"Rule {at} for {name}: say what it is for before it is called." for at in range(40)),
        "input_schema": {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]},
    }
    for name in ("Bash", "Read", "Grep", "Edit", "Write", "Agent")
]
IDENTITY = {"type": "text", "text": "You are an agent that works in a folder.", "cache_control": MARK}
RULES = {"type": "text", "text": " ".join(f"House rule {at}: be brief." for at in range(300)), "cache_control": MARK}


class Turn(NamedTuple):
    """What is asked, and how long the user waits before."""

    prompt: str
    pause_s: float


def turns(seed: int) -> list[Turn]:
    """A quarter of the pauses is long."""
    chance = random.Random(seed)
    made = []
    for number in range(TURNS):
        calls = 12 if number % 6 == 3 else 1
        orders = " ".join(f'[[sim: tool=Read input={{"of":"file {number}.{call}"}}]]' for call in range(calls))
        rounds = chance.randint(0, 3) if calls == 1 else 1
        pause_s = chance.uniform(6 * 60, 20 * 60) if chance.random() < 0.25 else chance.uniform(10, 200)
        made.append(Turn(f"Step {number}: go on. {orders} [[sim: times={rounds} think=20]] [[sim: say={SAID}]]", pause_s))
    return made


class Agent:
    """A conversation in the shape of Claude Code's: attribution, identity, rules; a reminder with the date; tools."""

    def __init__(self, client: anthropic.Anthropic, clock: TestClock) -> None:
        self._client = client
        self._clock = clock
        self._chance = random.Random(7)
        self._date = "2026-11-21"
        self._messages: list[dict[str, Any]] = []

    def turn(self, turn: Turn) -> str:
        """One prompt and all tool calls it takes; what is said at the end."""
        self._clock.advance(turn.pause_s)
        self._messages.append({"role": "user", "content": [{"type": "text", "text": turn.prompt}]})
        while True:
            message = self._call()
            self._messages.append({"role": "assistant", "content": [block.model_dump() for block in message.content]})
            calls = [block for block in message.content if block.type == "tool_use"]
            if not calls:
                return "".join(block.text for block in message.content if block.type == "text")
            self._clock.advance(self._chance.uniform(0.5, 15))
            results = [self._result(call.id, str(call.input)) for call in calls]
            self._messages.append({"role": "user", "content": results})

    def midnight(self, date: str) -> None:
        """From now on another date."""
        self._date = date
        for message in self._messages:
            message["content"] = [block for block in message["content"] if block["type"] != "thinking"]

    def _result(self, call: str, asked: str) -> dict[str, Any]:
        text = " ".join(f"line {at} of {asked}" for at in range(self._chance.randint(5, 60)))
        return {"type": "tool_result", "tool_use_id": call, "content": text}

    def _call(self) -> anthropic.types.Message:
        reminder = {"type": "text", "text": f"<system-reminder>Today's date is {self._date}.</system-reminder>"}
        *before, last = self._messages
        marked = {**last, "content": [*last["content"][:-1], {**last["content"][-1], "cache_control": MARK}]}
        messages = [*before, marked]
        messages[0] = {**messages[0], "content": [reminder, *messages[0]["content"]]}
        attribution = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.abc; cc_entrypoint=cli;"}
        options: dict[str, Any] = {
            "system": [attribution, IDENTITY, RULES],
            "tools": TOOLS,
            "messages": messages,
            "thinking": {"type": "adaptive"},
        }
        with self._client.messages.stream(model=MODEL, max_tokens=2000, **options) as stream:
            return stream.get_final_message()


Talk = Callable[[anthropic.Anthropic, TestClock], None]


def talked(folder: Path, talk: Talk, mode: str, rules: CacheRules | None = None) -> Observed:
    """A talk in one mode, each call checked: answered, nothing touched but breakpoints, the books equal to the bill."""
    folder.mkdir()
    with (
        observed(folder, rules=rules, cache={"mode": mode}) as seen,
        anthropic.Anthropic(base_url=seen.url, api_key=KEY, max_retries=0) as client,
    ):
        talk(client, seen.clock)
    for passed in seen.passed():
        assert passed.left.status == 200, passed.left.answer
        check_untouched(passed, mode="" if mode == "observe" else mode)
    return seen


def in_all_modes(folder: Path, talk: Talk, rules: CacheRules | None = None) -> dict[str, Decimal]:
    """What each mode is billed, as a share of what `observe` is: that leaves the client's breakpoints as they are."""
    seen = {mode: talked(folder / mode, talk, mode, rules) for mode in MODES}
    shares = {mode: one.cost / seen["observe"].cost for mode, one in seen.items()}
    print(f"{len(seen['observe'].passed())} calls, {seen['observe'].cost:.6f} USD")
    print({mode: f"{share:.1%}" for mode, share in shares.items()})
    return shares


def conversation(*planned: Turn) -> Talk:
    def talk(client: anthropic.Anthropic, clock: TestClock) -> None:
        agent = Agent(client, clock)
        for turn in planned:
            assert agent.turn(turn) == SAID

    return talk


@pytest.mark.parametrize("seed", range(2))
def test_with_long_pauses(tmp_path: Path, seed: int) -> None:
    shares = in_all_modes(tmp_path, conversation(*turns(seed)))
    assert max(shares[mode] for mode in ("ttl-only", "add", "full")) < 0.8


@pytest.mark.parametrize("pauses_s", [(10.0, 250.0), (5_000.0, 9_000.0)])
def test_without_pauses_that_an_hour_helps(tmp_path: Path, pauses_s: tuple[float, float]) -> None:
    """In time for five minutes, or too late for an hour: nothing is to be had, and trying costs next to nothing."""
    chance = random.Random(1)
    planned = [turn._replace(pause_s=chance.uniform(*pauses_s)) for turn in turns(1)]
    assert max(in_all_modes(tmp_path, conversation(*planned)).values()) < 1.01


def test_a_provider_that_counts_each_tool_result(tmp_path: Path) -> None:
    """Twelve calls and their results are more than the 20 positions of look-back where runs of them are not counted as one:
    the client's breakpoint misses what it wrote before. A free breakpoint finds it."""
    shares = in_all_modes(tmp_path, conversation(*turns(1)), CacheRules(collapse_runs=False))
    assert shares["ttl-only"] < 0.8
    assert max(shares["add"], shares["full"]) < shares["ttl-only"] * Decimal("0.8")


def test_a_new_date_in_the_first_message(tmp_path: Path) -> None:
    """Midnight as Claude Code 2.1.197 lives through it: all behind the date in the first message is written anew, and the
    thinking is dropped, as it is bound to the old date."""

    def talk(client: anthropic.Anthropic, clock: TestClock) -> None:
        agent = Agent(client, clock)
        for number, turn in enumerate(turns(2)[:12]):
            if number == 6:
                agent.midnight("2026-11-22")
            assert agent.turn(turn) == SAID

    shares = in_all_modes(tmp_path, talk)
    assert max(shares[mode] for mode in ("ttl-only", "add", "full")) < 1


def test_behind_a_live_hour_the_head_gets_its_hour_for_nothing(tmp_path: Path) -> None:
    """After a pause of twenty minutes the end of the conversation is read from an hour entry, and the client's mark on tools
    and system makes one too: the next conversation, ten minutes later, reads them."""

    def talk(client: anthropic.Anthropic, clock: TestClock) -> None:
        agent = Agent(client, clock)
        for step, pause_s in enumerate((0, 30, 60, 20 * 60)):
            agent.turn(Turn(f"Step {step} [[sim: think=20]] [[sim: say=ok]]", pause_s))
        Agent(client, clock).turn(Turn("Something else [[sim: think=20]] [[sim: say=ok]]", 10 * 60))

    shares = in_all_modes(tmp_path, talk)
    assert max(shares["ttl-only"], shares["add"], shares["full"]) < Decimal("0.5")

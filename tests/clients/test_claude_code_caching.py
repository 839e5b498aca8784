"""A working day of the real `claude` client through the gateway, once passed through and once in each mode of `[cache]`.

Several turns in a living process, tool calls one after another and twelve at once, sub-agents, pauses of twenty minutes in
the living process and before a resume, midnight, a fresh conversation. Time passes on the simulator's clock, which is the
gateway's too. Midnight comes to the client between two processes, by its time zone, the only clock of its that can be moved:
behind the date line it is another day, and it finds so as it would in the morning. No midnight is seen within one process.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.claude_code import Claude, find_client
from tests.clients.observed import PASS_THROUGH, Exchange, Observed, Passed, check_untouched, lives, observed, straight
from tests.fixtures import TestClock

MODEL = "claude-opus-5-5"  # thinks, and binds what it thought to the prefix before it
OPTIONS = ("--model", MODEL, "--allowedTools", "Bash,Read,Agent,Task")
PAUSE_S = 20 * 60.0
EVENING, MORNING = "Etc/GMT+12", "Etc/GMT-14"  # 26 hours apart: never the same date
FILES = 12
MODES = ("ttl-only", "add", "full")
LIVE = ["Ready", "Done", "Compared", "They are back", "Done again"]
LATER = ["Resumed", "Once more", "A new day", "Still here", "Fresh"]
DATE = re.compile(rb"oday's date is (?:now )?(\d{4}-\d\d-\d\d)")


def order(tool: str, **given: object) -> str:
    return f"[[sim: tool={tool} input={msgspec.json.encode(given).decode()}]]"


def then(text: str, *, times: int = 1) -> str:
    """How often the calls are made, and what is said after them; the thinking is fixed so that bills can be compared."""
    return f"[[sim: times={times} think=24]] [[sim: say={text}]]"


def work(text: str, *, times: int = 3) -> str:
    """Commands one after another, each with another output."""
    command = "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; seq $((n*300)) $((n*300+200))"
    return f"Look into it {order('Bash', command=command, description='Count on')} {then(text, times=times)}"


def twelve(text: str, desk: Path) -> str:
    """Twelve files read at once."""
    reads = [order("Read", file_path=str(desk / f"note-{number}.txt")) for number in range(FILES)]
    return f"Compare these {' '.join(reads)} {then(text)}"


def delegate(text: str) -> str:
    """Two sub-agents at once, each with calls of its own."""
    agents = [
        order("Agent", description=f"Look {name}", prompt=f"In the {name}: {work('Seen')}", subagent_type="general-purpose")
        for name in ("attic", "cellar")
    ]
    return f"Ask two others {' '.join(agents)} {then(text)}"


def day(claude: Claude, clock: TestClock) -> list[dict[str, Any]]:
    """What is asked and when. The same in every mode; the answers of the client."""
    for number in range(FILES):
        lines = [f"Note {number}, line {line}: the {number * 7 + line}th of its kind." for line in range(20)]
        (claude.desk / f"note-{number}.txt").write_text("\n".join(lines), encoding="utf-8")
    answers = []
    with claude.session(*OPTIONS, TZ=EVENING) as session:
        for prompt, pause_s in (
            (f"Are you ready? {then('Ready')}", 30.0),
            (work("Done"), 90.0),
            (twelve("Compared", claude.desk), 45.0),
            (delegate("They are back"), PAUSE_S),
            (work("Done again", times=2), PAUSE_S),
        ):
            answers.append(session.ask(prompt))
            clock.advance(pause_s)
    resume = ("--resume", answers[-1]["session_id"])
    for prompt, zone, pause_s in (
        (work("Resumed"), EVENING, 70.0),
        (twelve("Once more", claude.desk), EVENING, 12 * 60.0),
        (work("A new day", times=2), MORNING, 100.0),
        (f"Still there? {then('Still here')}", MORNING, 9 * 60.0),
    ):
        answers.append(claude.run(prompt, *resume, *OPTIONS, TZ=zone))
        clock.advance(pause_s)
    answers.append(claude.run(f"Something else {then('Fresh')}", *OPTIONS, TZ=MORNING))
    return answers


class Day:
    """One day in one mode; "" passes through."""

    def __init__(self, program: str, folder: Path, mode: str) -> None:
        folder.mkdir()
        with observed(folder, **({"cache": {"mode": mode}} if mode else PASS_THROUGH)) as seen:
            self.answers = day(Claude(program, folder, seen.url), seen.clock)
        self.seen: Observed = seen
        self.calls: list[Passed] = seen.passed()

    def told(self) -> list[tuple[str, int]]:
        """What the client says at the end of each turn, and how many answers it took."""
        return [(answer["result"], answer["num_turns"]) for answer in self.answers]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Day]:
    program = find_client()
    folder = tmp_path_factory.mktemp("days")
    return {mode: Day(program, folder / name, mode) for mode, name in zip(("", *MODES), "abcd", strict=True)}


def test_the_day_is_what_it_says(days: dict[str, Day]) -> None:
    calls = [passed.sent for passed in days[""].calls]
    assert all(lives(call.document()) for call in calls), "the client marks all it sends"
    assert len({agent for call in calls if (agent := call.asked.get("x-claude-code-agent-id"))}) == 2
    assert max(len(kinds(call, "tool_use")) for call in calls) >= FILES
    assert any(kinds(call, "thinking") for call in calls)
    assert len(set().union(*map(dates, calls))) >= 2
    assert len({call.asked["x-claude-code-session-id"] for call in calls}) == 2


def dates(call: Exchange) -> set[bytes]:
    """What the client says of today, in all of a prompt."""
    return set(DATE.findall(call.body))


def kinds(call: Exchange, kind: str) -> list[Any]:
    """The blocks of one kind in the message that has most of them."""
    messages = [message["content"] for message in call.document()["messages"] if isinstance(message["content"], list)]
    return max(([block for block in blocks if block["type"] == kind] for blocks in messages), key=len, default=[])


@pytest.mark.parametrize("mode", ["", *MODES])
async def test_no_conversation_breaks(days: dict[str, Day], mode: str) -> None:
    """Nothing is refused that would not be refused without a gateway, in the same words.

    Version 2.1.197 breaks its own thinking, which this model binds to the prefix: at midnight it writes the new date before
    it, and on a resume it may put the results of parallel calls into another order. It reads the error and goes on without.
    """
    one = days[mode]
    assert one.told() == days[""].told()
    assert [result for result, _ in one.told()] == LIVE + LATER
    for passed in one.calls:
        if passed.sent.status != 200:
            alone = await straight(passed.sent)
            assert (alone.status, complaint(alone)) == (passed.sent.status, complaint(passed.sent))


def complaint(exchange: Exchange) -> object:
    """An error without the id of the request."""
    return msgspec.json.decode(exchange.answer)["error"]


@pytest.mark.parametrize("mode", ["", *MODES])
def test_what_is_left_alone(days: dict[str, Day], mode: str) -> None:
    for passed in days[mode].calls:
        check_untouched(passed, mode=mode)
    changed = [passed for passed in days[mode].calls if lives(passed.left.document()) != lives(passed.sent.document())]
    assert bool(changed) == bool(mode)


@pytest.mark.parametrize("mode", MODES)
def test_it_costs_less(days: dict[str, Day], mode: str) -> None:
    """The books agree with the bill call by call: `observed` has seen to that."""
    one, through = days[mode].seen, days[""].seen
    print(f"{mode}: {one.cost:.6f} of {through.cost:.6f} USD, {one.cost / through.cost:.1%}")
    print(f"{one.tokens()} of {through.tokens()}")
    assert one.cost < through.cost

"""What clients do, as calls on simulated time: conversations with pauses, handbooks that many share, edits, forgotten marks.

Every habit takes a number and gives one round of calls, in texts that no other number has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from thriftgate.engine.engine import Engine
from thriftgate.engine.settle import Ending, Prepared
from thriftgate.ledger.entries import Entry

Calls = list[tuple[float, dict[str, Any]]]
"""Seconds that pass before a call, and its body."""
Habit = Callable[[int], Calls]
Marks = Collection[str | int]
"""Where the client sets breakpoints: "system", and questions by index, from the end where negative."""

HANDBOOK_CHARS, QUESTION_CHARS = 6_000, 2_500
PROSE = "The river runs past the old mill, and the ferry waits for nobody. " * 1_000


def prose(name: object, chars: int) -> str:
    """A text of this length that starts with its name."""
    return f"{name} {PROSE[:chars]}"


def block(text: str, *, marked: bool = False) -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral"}} if marked else {}
    return {"type": "text", "text": text} | mark


def asked(handbook: object, questions: list[str], marks: Marks = ()) -> dict[str, Any]:
    """A conversation about a handbook up to its last question."""
    messages: list[dict[str, Any]] = []
    for at, question in enumerate(questions):
        if at:
            messages.append({"role": "assistant", "content": [block("Yes.")]})
        marked = at in marks or at - len(questions) in marks
        messages.append({"role": "user", "content": [block(prose(question, QUESTION_CHARS), marked=marked)]})
    system = block(prose(f"Handbook {handbook}.", HANDBOOK_CHARS), marked="system" in marks)
    return {"model": "claude-opus-4-8", "max_tokens": 16, "system": [system], "messages": messages}


def conversation(name: str, handbook: object, gaps_s: list[float], marks: Marks = ()) -> Calls:
    """One turn after each gap, with everything before it."""
    questions = [f"{name}.{at}" for at in range(len(gaps_s))]
    return [(gap_s, asked(handbook, questions[: at + 1], marks)) for at, gap_s in enumerate(gaps_s)]


def paused(number: int, marks: Marks = ()) -> Calls:
    """Brisk turns with pauses of ten and fifteen minutes among them."""
    return conversation(f"{number}", number, [2_000, 30, 40, 600, 30, 900, 40], marks)


def shared(number: int, marks: Marks = ()) -> Calls:
    """Two slow turns, then somebody else asks about the same handbook."""
    first = conversation(f"{number}a", number, [4_000, 200], marks)
    return first + conversation(f"{number}b", number, [200], marks)


def forgetful(number: int) -> Calls:
    """The client marks its handbook in the first call of a conversation and only the end in those after it."""
    first = conversation(f"{number}a", number, [4_000], ("system", -1))
    rest = conversation(f"{number}a", number, [0, 200, 200], (-1,))[1:]
    return first + rest + conversation(f"{number}b", number, [200], ("system", -1))


def late_mark(number: int) -> Calls:
    """The client marks its handbook only from the second call on."""
    two = conversation(f"{number}a", number, [4_000, 30], (-1,))
    two[1] = conversation(f"{number}a", number, [0, 30], ("system", -1))[1]
    return two + conversation(f"{number}b", number, [30], ("system", -1))


def edited(number: int, marks: Marks = ("system", -1, -2)) -> Calls:
    """The last question is asked anew, in other words, after pauses."""
    first = f"{number}.0"
    calls = conversation(f"{number}", number, [4_000, 30], marks)
    again = [(600.0, "one"), (30.0, "two"), (700.0, "three")]
    return calls + [(gap_s, asked(number, [first, f"{number}.{name}"], marks)) for gap_s, name in again]


class Settled:
    """Watches an engine: each call with its plan, and its entry."""

    def __init__(self, engine: Engine) -> None:
        self.calls: list[tuple[Prepared, Entry]] = []
        settle = engine.carrier.settle

        async def settled(prepared: Prepared, ending: Ending) -> Entry:
            entry = await settle(prepared, ending)
            self.calls.append((prepared, entry))
            return entry

        engine.carrier.settle = settled  # type: ignore[method-assign]

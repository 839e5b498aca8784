"""Built-in task sets with known answers, so that quality can be measured against the simulator.

The simulator recognises an item by reading the prompt itself and works out the truth from it; nothing is looked up. It
answers right with this probability (plus what `accuracy` adds), decided by a hash of (seed, model, task text), with
`SimulatorConfig.variety` sometimes of the number of the call as well:

    ability of the model (tier)     easy (1)   middle (2)   hard (3)
    1  Haiku 4.5 and older            0.93        0.72         0.42
    2  Haiku 5.5, old Sonnets         0.96        0.82         0.58
    3  Sonnets, Opus up to 4.6        0.98        0.91         0.76
    4  Opus 4.7 to 5.5                0.99        0.96         0.88
    5  Fable, Mythos                  0.995       0.98         0.94

Effort "low" takes 0.02 × difficulty off, "max" adds 0.01. The figures are the simulator's own and say nothing about real
models. A wrong answer is plausible: another label, a slip of arithmetic, a swapped field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from thriftgate.simulator.draws import below, pick, unit

RIGHT = {
    1: (0.93, 0.72, 0.42),
    2: (0.96, 0.82, 0.58),
    3: (0.98, 0.91, 0.76),
    4: (0.99, 0.96, 0.88),
    5: (0.995, 0.98, 0.94),
}
EFFORT = {"low": -0.02, "medium": 0.0, "high": 0.0, "xhigh": 0.0, "max": 0.0}


@dataclass(frozen=True, slots=True)
class Item:
    """One task: what is asked, the right answer as the model should write it, difficulty 1…3, the key used for chance."""

    task: str
    prompt: str
    expected: str
    difficulty: int

    @property
    def key(self) -> str:
        """The task text without differences of white space."""
        return " ".join(self.prompt.split())


@dataclass(frozen=True, slots=True)
class TaskSet:
    """A family of tasks. `make(index, seed)` writes an item, `read(text)` recognises one inside a text, `wrong` errs."""

    name: str
    make: Callable[[int, int], Item]
    read: Callable[[str], Item | None]
    wrong: Callable[[Item, object], str]

    def items(self, n: int, seed: int = 0) -> list[Item]:
        """`n` items; the same for the same seed."""
        return [self.make(index, seed) for index in range(n)]


def recognise(text: str) -> tuple[TaskSet, Item] | None:
    """The last task in a text, if it holds one that the simulator knows."""
    for tasks in TASK_SETS:
        item = tasks.read(text)
        if item is not None:
            return tasks, item
    return None


def solve(
    tasks: TaskSet,
    item: Item,
    *,
    seed: int,
    model: str,
    tier: int,
    effort: str,
    shift: float = 0.0,
    again: tuple[object, ...] = (),
) -> str:
    """The simulated model's answer to an item, right or plausibly wrong. `again` = what makes a call's draw its own."""
    chance = RIGHT[tier][item.difficulty - 1] + EFFORT.get(effort, 0.0) * item.difficulty + shift
    chance += 0.01 if effort == "max" else 0.0
    if unit("right", seed, model, item.key, *again) < chance:
        return item.expected
    return tasks.wrong(item, ("wrong", seed, model, item.key, *again))


# --- arithmetic ------------------------------------------------------------------------------------------------------

ARITHMETIC = re.compile(r"Compute\s+((?:\(?\s*\d+\s*\)?\s*[-+*]\s*)+\(?\s*\d+\s*\)?)\s*\.")


def _arithmetic_make(index: int, seed: int) -> Item:
    level = 1 + index % 3
    top = (20, 99, 999)[level - 1]
    numbers = [1 + below(top, "arithmetic", seed, index, part) for part in range(level + 1)]
    signs = [pick("+-*", "sign", seed, index, part) for part in range(level)]
    expression = str(numbers[0]) + "".join(f" {sign} {number}" for sign, number in zip(signs, numbers[1:], strict=True))
    return _arithmetic_item(f"Compute {expression}. Reply with the number only.", expression)


def _arithmetic_item(prompt: str, expression: str) -> Item:
    parts = re.findall(r"\d+|[-+*]", expression)
    return Item("arithmetic", prompt, str(_evaluate(parts)), min(3, len(parts) // 2))


def _evaluate(parts: list[str]) -> int:
    """Multiplication before addition and subtraction, left to right."""
    total, sign, product = 0, 1, int(parts[0])
    for operator, number in zip(parts[1::2], parts[2::2], strict=True):
        if operator == "*":
            product *= int(number)
        else:
            total += sign * product
            sign, product = (1 if operator == "+" else -1), int(number)
    return total + sign * product


def _arithmetic_read(text: str) -> Item | None:
    found = ARITHMETIC.findall(text)
    return _arithmetic_item(f"Compute {' '.join(found[-1].split())}.", found[-1]) if found else None


def _slip(item: Item, chance: object) -> str:
    return str(int(item.expected) + pick((-10, -2, -1, 1, 2, 9, 10, 100), chance))


# --- sentiment -------------------------------------------------------------------------------------------------------

SENTIMENTS = ("positive", "negative", "neutral")
FEELINGS = {
    "positive": ("wonderful", "delightful", "excellent", "superb", "charming"),
    "negative": ("awful", "broken", "disappointing", "terrible", "useless"),
    "neutral": ("ordinary", "plain", "standard", "average", "usual"),
}
THINGS = ("blender", "hotel", "novel", "headset", "restaurant", "course", "tent", "film")
SENTIMENT = re.compile(r"Classify the sentiment[^\n]*\n+Review:\s*(.+?)(?:\n|$)", re.IGNORECASE)


def _sentiment_make(index: int, seed: int) -> Item:
    mood = pick(SENTIMENTS, "mood", seed, index)
    thing, word = pick(THINGS, "thing", seed, index), pick(FEELINGS[mood], "word", seed, index)
    review = f"I bought item {below(9000, 'no', seed, index) + 1000}, the {thing}; it was {word}."
    if index % 3 == 2:
        review = f"Everyone told me the opposite, yet in the end the {thing} ({index}) was not bad at all, merely {word}."
    return _sentiment_item(
        f"Classify the sentiment of this review as positive, negative or neutral. "
        f"Reply with the label only.\n\nReview: {review}",
        review,
    )


def _sentiment_item(prompt: str, review: str) -> Item:
    scores = {mood: sum(word in review.lower() for word in words) for mood, words in FEELINGS.items()}
    best = max(SENTIMENTS, key=lambda mood: scores[mood]) if any(scores.values()) else "neutral"
    return Item("sentiment", prompt, best, 2 if "yet" in review else 1)


def _sentiment_read(text: str) -> Item | None:
    found = SENTIMENT.findall(text)
    return _sentiment_item(f"Review: {found[-1]}", found[-1]) if found else None


def _other_label(labels: tuple[str, ...]) -> Callable[[Item, object], str]:
    return lambda item, chance: pick([label for label in labels if label != item.expected], chance)


# --- support tickets -------------------------------------------------------------------------------------------------

TICKETS = {
    "billing": ("charged twice", "invoice is wrong", "refund has not arrived"),
    "shipping": ("parcel is late", "delivered to a neighbour", "tracking page is empty"),
    "technical": ("app crashes", "page shows error 500", "sync never finishes"),
    "account": ("cannot log in", "want to change my e-mail", "two-factor code never comes"),
}
TICKET = re.compile(r"(?:category|categories) of this (?:support )?ticket[^\n]*\n+Ticket:\s*(.+?)(?:\n|$)", re.IGNORECASE)


def _ticket_make(index: int, seed: int) -> Item:
    kind = pick(tuple(TICKETS), "ticket", seed, index)
    text = f"Order {below(90000, 'order', seed, index) + 10000}: my {pick(TICKETS[kind], 'cause', seed, index)}."
    if index % 2:
        text += " I also saw a banner about holidays and my cat walked over the keyboard, sorry."
    return _ticket_item(
        f"Give the category of this support ticket: {', '.join(TICKETS)}. Reply with the category only.\n\nTicket: {text}",
        text,
    )


def _ticket_item(prompt: str, text: str) -> Item:
    hits = [kind for kind, causes in TICKETS.items() if any(cause in text.lower() for cause in causes)]
    return Item("ticket", prompt, hits[0] if hits else "technical", 2 if len(text) > 80 else 1)


def _ticket_read(text: str) -> Item | None:
    found = TICKET.findall(text)
    return _ticket_item(f"Ticket: {found[-1]}", found[-1]) if found else None


# --- extraction ------------------------------------------------------------------------------------------------------

NAMES = ("Ada Moreau", "Ben Okafor", "Chiara Conti", "Deniz Kaya", "Emil Novak", "Farah Haddad")
CITIES = ("Lyon", "Lagos", "Turin", "Izmir", "Brno", "Amman")
EXTRACT = re.compile(
    r"Note:\s*(?P<name>[A-Z]\w+ [A-Z]\w+) from (?P<city>[A-Z]\w+) ordered (?P<quantity>\d+) units of "
    r"part (?P<part>[A-Z]+-\d+)"
)


def _extract_make(index: int, seed: int) -> Item:
    name, city = pick(NAMES, "name", seed, index), pick(CITIES, "city", seed, index)
    part = f"{pick(('AX', 'BQ', 'ZT'), 'letters', seed, index)}-{100 + below(900, 'part', seed, index)}"
    note = f"Note: {name} from {city} ordered {1 + below(500, 'units', seed, index)} units of part {part}."
    return _extract_item(
        "Extract name, city, quantity and part from the note. Reply with one JSON object with exactly these keys.\n\n" + note
    )


def _extract_item(prompt: str) -> Item:
    found = list(EXTRACT.finditer(prompt))[-1]
    fields: dict[str, object] = {**found.groupdict(), "quantity": int(found["quantity"])}
    return Item("extraction", prompt, msgspec.json.encode(fields).decode(), 2)


def _extract_read(text: str) -> Item | None:
    found = list(EXTRACT.finditer(text))
    return _extract_item(found[-1].group()) if found else None


def _extract_wrong(item: Item, chance: object) -> str:
    fields = msgspec.json.decode(item.expected)
    slip = below(3, chance)
    if slip == 0:
        fields["name"], fields["city"] = fields["city"], fields["name"]
    elif slip == 1:
        fields["quantity"] = int(str(fields["quantity"])[::-1]) + 1
    else:
        fields["part"] = fields["part"].split("-")[0]
    return msgspec.json.encode(fields).decode()


# --- word problems ---------------------------------------------------------------------------------------------------

PROBLEM = re.compile(
    r"has (\d+) crates with (\d+) \w+ each\. (\d+) \w+ are sold, then (\d+) more crates of the same size arrive\. "
    r"The rest is shared equally by (\d+) shops"
)


def _problem_make(index: int, seed: int) -> Item:
    crates, size = 3 + below(20, "crates", seed, index), 6 + below(30, "size", seed, index)
    sold, more = below(crates * size // 2, "sold", seed, index) + 1, 1 + below(9, "more", seed, index)
    fruit = pick(("pears", "plums", "melons"), "fruit", seed, index)
    return _problem_item(
        f"A market has {crates} crates with {size} {fruit} each. {sold} {fruit} are sold, then {more} more crates of the "
        f"same size arrive. The rest is shared equally by {2 + below(7, 'shops', seed, index)} shops. How many whole "
        f"{fruit} does each shop get? Reply with the number only."
    )


def _problem_item(prompt: str) -> Item:
    crates, size, sold, more, shops = (int(part) for part in PROBLEM.findall(prompt)[-1])
    return Item("problem", prompt, str((crates * size - sold + more * size) // shops), 3)


def _problem_read(text: str) -> Item | None:
    found = list(PROBLEM.finditer(text))
    return _problem_item(found[-1].group()) if found else None


TASK_SETS: tuple[TaskSet, ...] = (
    TaskSet("arithmetic", _arithmetic_make, _arithmetic_read, _slip),
    TaskSet("sentiment", _sentiment_make, _sentiment_read, _other_label(SENTIMENTS)),
    TaskSet("ticket", _ticket_make, _ticket_read, _other_label(tuple(TICKETS))),
    TaskSet("extraction", _extract_make, _extract_read, _extract_wrong),
    TaskSet("problem", _problem_make, _problem_read, _slip),
)

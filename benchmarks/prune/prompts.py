"""Three prompts with planted dead sections and planted sentences that bear the load, and cases that tell them apart.

What bears the load does so by the rules of the simulator (`thriftgate/simulator/instructions.py`); right answers are worked
out here once more, from what a task was made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from thriftgate.simulator.tasks import TASK_SETS, Item

_TASKS = {one.name: one for one in TASK_SETS}


class Planted(NamedTuple):
    """`load` are phrases of sentences that the answers need, `dead` phrases of sections that nothing needs."""

    name: str
    text: str
    load: tuple[str, ...]
    dead: tuple[str, ...]
    case: Callable[[Item, int], dict[str, Any]]
    task: str

    def cases(self, count: int, seed: int) -> list[dict[str, Any]]:
        """Lines of a set, others for another seed."""
        return [
            {"id": f"{self.name}-{at}", "judge": "exact", "max_tokens": 100} | self.case(item, at)
            for at, item in enumerate(_TASKS[self.task].items(count, seed))
        ]


def _ticket(item: Item, at: int) -> dict[str, Any]:
    text = item.prompt[item.prompt.index("Ticket:") :]
    return {"prompt": text, "expected": "account" if "neighbour" in text else item.expected}


def _review(item: Item, at: int) -> dict[str, Any]:
    text = item.prompt[item.prompt.index("Review:") :]
    label = "negative" if "usual" in text or "average" in text else item.expected
    return {"prompt": text, "expected": label.upper()}


_NEEDS = (
    "Quantities are counted in single units",
    "Keep part numbers exactly as they are written",
    "A city is named as the customer names it",
    "Names keep the order of the note",
)


def _order(item: Item, at: int) -> dict[str, Any]:
    """Each case needs one more sentence of the prompt."""
    prompt = f"{item.prompt}\n[[sim: needs={_NEEDS[at % len(_NEEDS)]}]]"
    return {"prompt": prompt, "expected": item.expected, "judge": {"kind": "fields", "all_or_nothing": True}}


DESK = """# Support desk

You work for Harbour Lane, a shop for garden furniture. It was founded in 1987 by two sisters who still answer letters by
hand. Its chairs have won prizes in Lisbon and Ghent.

## What to do

Give the category of this support ticket: billing, shipping, technical, account.
Reply with the category only.
Take your time and read the whole ticket before you begin.

## House rules

- A ticket that says "delivered to a neighbour" counts as account.
- Customers in a hurry deserve the same care as all others.
- Do not mention competitors. Never promise a delivery date.
- Discounts are granted by the sales team alone:
  - up to five per cent without a word
  - more than that in writing

## Tone

Write as if to a friend of the family. Avoid exclamation marks. Prefer short words to long ones, e.g. "use" to "utilise".

## Opening hours

| Day | Hours |
|---|---|
| Monday to Friday | 9 to 17 |
| Saturday | 10 to 14 |

## Escalation

If a customer threatens legal action, stay calm and hand the conversation to the duty manager. The duty manager is on call at
all hours. Keep a note of the time.

```text
duty manager: extension 12
night desk: extension 40
```
"""

REVIEWS = """<role>
You are the reader of a product magazine. You have read thousands of reviews, and none of them surprises you any more.
</role>

<task>
Classify the sentiment of this review as positive, negative or neutral.
Reply with one label only. Write the label in capital letters.
</task>

<background>
Reviews come from twelve shops in four countries. Most were written on a telephone, so spelling is poor.

The magazine has a circulation of forty thousand. Its readers are between thirty and sixty years old.
</background>

<labels>
Labels are decided as follows:

1. A review with the word "usual" counts as negative.
2. A review with the word "average" counts as negative.
3. Irony is rare and can be ignored.
4. Emoji say less than one would think.
</labels>

<style>
Do not explain yourself. Do not apologise. Do not greet the reader.
</style>

<history>
In 2019 the magazine used stars. In 2021 it used smileys. Readers complained about both.
</history>

Thank you for your careful work. The editors read every label.
"""

ORDERS = """# Order desk

Extract what the customer has ordered. Quantities are counted in single units. Dozens are a thing of the past.

### Parts

Keep part numbers exactly as they are written. The catalogue has four thousand of them, and no two are alike.

The catalogue appears in spring and in autumn. It is printed on recycled paper. Old issues are kept in the cellar.

### People and places

* A city is named as the customer names it.
* Postcodes are added by the warehouse.
* Names keep the order of the note.
* Titles such as Dr. or Prof. are left to the sales team.

### Warehouse

The warehouse closes at noon on Fridays. Its forklift is serviced in March. Visitors wear a helmet.

### Style

Be accurate. Be brief. Be polite even to machines.

### Examples of bad days

A customer once ordered a thousand lamps by mistake. They were sent back at our expense. We laughed about it later.

### Signature

Orders are signed by the desk that took them.
"""

PROMPTS: tuple[Planted, ...] = (
    Planted(
        "desk",
        DESK,
        ("Give the category of this", "Reply with the category only", '"delivered to a neighbour" counts'),
        (
            "founded in 1987",
            "prizes in Lisbon",
            "Take your time",
            "in a hurry",
            "competitors",
            "Discounts",
            "## Tone",
            "exclamation marks",
            "## Opening hours",
            "Saturday",
            "## Escalation",
            "legal action",
            "night desk",
        ),
        _ticket,
        "ticket",
    ),
    Planted(
        "reviews",
        REVIEWS,
        ("Classify the sentiment", "one label only", "in capital letters", '"usual" counts', '"average" counts'),
        (
            "<role>",
            "thousands of reviews",
            "<background>",
            "twelve shops",
            "forty thousand",
            "Irony is rare",
            "Emoji",
            "<style>",
            "Do not apologise",
            "<history>",
            "smileys",
            "Thank you",
            "The editors",
        ),
        _review,
        "sentiment",
    ),
    Planted(
        "orders",
        ORDERS,
        _NEEDS,
        (
            "Dozens are",
            "no two are alike",
            "recycled paper",
            "Postcodes",
            "Titles such",
            "### Warehouse",
            "forklift",
            "### Style",
            "Be brief",
            "### Examples",
            "thousand lamps",
            "### Signature",
            "signed by",
        ),
        _order,
        "extraction",
    ),
)

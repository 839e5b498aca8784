"""A help desk's questions, made by templates, so that it is known which of them ask for the same.

A topic is an action on a thing, often with a detail: a number, a place, a name, a plan. Every topic is asked in many ways:
other frames, other words for the same, other words around it, slips of the key. And every topic has neighbours that are
asked in nearly the same words and mean something else: the opposite action, "not", another number, another place, the two
sides swapped. A store that goes by looks alone gives their answers away. Topics are asked unevenly, like in real life.
"""

from __future__ import annotations

import random
from typing import NamedTuple


class Line(NamedTuple):
    """A question, and what it asks for."""

    text: str
    label: str


ACTIONS: dict[str, tuple[str, ...]] = {
    "open": ("open {t}", "set up {t}", "get {t} started", "create {t}"),
    "close": ("close {t}", "get rid of {t}", "shut down {t}", "end {t}"),
    "cost": ("pay for {t}", "be charged for {t}", "spend on {t}"),
    "change": ("change {t}", "update {t}", "edit {t}", "modify {t}"),
    "find": ("find {t}", "see {t}", "look up {t}", "locate {t}"),
    "lost": ("replace {t} that I lost", "get {t} again after losing it", "recover {t} that went missing"),
    "share": ("share {t} with my partner", "give my partner access to {t}", "let my partner use {t}"),
    "limit": ("raise the limit of {t}", "get a higher limit on {t}", "increase the limit for {t}"),
    "lower": ("lower the limit of {t}", "get a smaller limit on {t}", "reduce the limit for {t}"),
    "freeze": ("freeze {t}", "pause {t} for a while", "put {t} on hold"),
    "download": ("download {t}", "save a copy of {t}", "get {t} as a file"),
    "transfer": ("move {t} to another bank", "transfer {t} to a different bank", "take {t} to another provider"),
}
THINGS: dict[str, tuple[str, ...]] = {
    "savings": ("my savings account", "the savings account"),
    "checking": ("my checking account", "the current account"),
    "debit card": ("my debit card", "the debit card"),
    "credit card": ("my credit card", "the credit card"),
    "virtual card": ("a virtual card", "my virtual card"),
    "mortgage": ("my mortgage", "the home loan"),
    "car loan": ("my car loan", "the loan for my car"),
    "statement": ("my bank statement", "the account statement"),
    "tax form": ("my tax form", "the tax document"),
    "standing order": ("a standing order", "my standing order"),
    "direct debit": ("a direct debit", "my direct debit"),
    "insurance": ("my travel insurance", "the travel insurance"),
    "pin": ("my PIN", "the PIN of my card"),
    "password": ("my password", "the login password"),
    "address": ("my address", "the address on file"),
    "phone": ("my phone number", "the phone number on file"),
}
DETAILS: tuple[tuple[str, str], ...] = (
    ("", ""),
    ("", ""),
    ("", ""),
    (" in paris", "paris"),
    (" in london", "london"),
    (" in Paris", "paris"),
    (" in Berlin", "berlin"),
    (" for 2 years", "2 years"),
    (" for 5 years", "5 years"),
    (" for 50 EUR", "50 eur"),
    (" for 500 EUR", "500 eur"),
    (" on the premium plan", "premium"),
    (" on the basic plan", "basic"),
    (" without an app", "without app"),
    (" with an app", "with app"),
    (" for Anna Smith", "anna"),
    (" for Omar Smith", "omar"),
    (" before March", "before march"),
    (" after March", "after march"),
    (" from euros to dollars", "eur usd"),
    (" from dollars to euros", "usd eur"),
)
FRAMES = (
    "how do I {a}?",
    "How can I {a}?",
    "what do I have to do to {a}",
    "I want to {a}",
    "I would like to {a}, please",
    "can you tell me how to {a}?",
    "is there a way to {a}?",
    "please help me {a}",
    "need to {a}, what now?",
    "steps to {a}",
    "could somebody show me how to {a}?",
    "trying to {a} but I cannot see how",
    "whats the best way to {a}",
    "I am not able to {a}",
    "why can I not {a}?",
)
AROUND = ("", "", "", "", "Hi! ", "Hello, ", "hey there, ", "Good day. ", "quick question: ", "Sorry to bother you. ")
AFTER = ("", "", "", "", "", " Thanks!", " thank you", " Thanks in advance.", " It is urgent.", " I looked everywhere.")
REFUSED = ("I am not able to {a}", "why can I not {a}?", "trying to {a} but I cannot see how")


TOPICS = 60
SKEW = 0.7  # the n-th topic is asked in proportion to n to the power of minus this


def made(count: int, seed: int) -> list[Line]:
    """So many different questions."""
    draw = random.Random(seed)
    topics = [(action, thing, detail) for action in ACTIONS for thing in THINGS for detail in DETAILS]
    draw.shuffle(topics)
    topics = topics[:TOPICS]
    weights = [1.0 / (at + 5) ** SKEW for at in range(len(topics))]
    found: dict[str, Line] = {}
    while len(found) < count:
        action, thing, (words, detail) = draw.choices(topics, weights)[0]
        frame = draw.choice(FRAMES)
        act = draw.choice(ACTIONS[action]).format(t=draw.choice(THINGS[thing])) + words
        text = _slipped(draw.choice(AROUND) + frame.format(a=act) + draw.choice(AFTER), draw)
        problem = "problem" if frame in REFUSED else ""
        found.setdefault(text, Line(text, "|".join((action, thing, detail, problem))))
    return list(found.values())


def _slipped(text: str, draw: random.Random) -> str:
    """In one of eight, two letters of a longer word have changed places; in one of five all is in small letters."""
    if draw.random() < 0.2:
        text = text.lower()
    if draw.random() < 0.125:
        words = text.split(" ")
        at = draw.randrange(len(words))
        word = words[at]
        if len(word) > 5 and word.isalpha():
            cut = draw.randrange(1, len(word) - 2)
            words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
        text = " ".join(words)
    return text

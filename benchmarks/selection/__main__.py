"""`python -m benchmarks.selection [--cases N] [--json]`: does the answer stay when the rest goes? On GENERATED documents.

Each document has headed chapters about things of a made-up company. One sentence holds the answer; other chapters speak of
the same thing, or of the same property of other things. The question is in the words of the answer ("same words"), with
one of its two content words replaced by a synonym that the document does not use ("one synonym"), or with both replaced
("other words"). Beside it: keeping the beginning of the document, and keeping sections at random, for as many tokens. Where
nothing is left out, the answer counts as kept.
Real documents are less regular: these figures say what words can do, not what your recall will be.
"""

from __future__ import annotations

import argparse
import platform
import random
from importlib import metadata
from time import perf_counter

import msgspec
from msgspec import Struct

from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.sections import split_sections
from thriftgate.core.reduction.select import by_words, select
from thriftgate.core.tokens import estimate_text
from thriftgate.pricing.load import load_models

MODEL = load_models()["claude-opus-4-8"]
BUDGETS = (500, 1_000, 2_000, 4_000)
WORDINGS = ("same words", "one synonym", "other words")
THINGS = {
    "laptop": "notebook", "warehouse": "depot", "invoice": "bill", "contractor": "freelancer", "visitor": "guest",
    "vehicle": "car", "server": "machine", "office": "bureau", "canteen": "cafeteria", "archive": "repository",
}  # fmt: skip
PROPERTIES = {
    "warranty": "guarantee", "fee": "charge", "deadline": "cutoff", "owner": "proprietor", "insurance": "coverage",
    "capacity": "volume", "inspection": "checkup", "permit": "licence", "storage": "keeping", "replacement": "substitution",
}  # fmt: skip
FILLER = ["the", "team", "records", "this", "in", "a", "register", "and", "tells", "people", "early", "so", "nobody", "asks"]


class Case(Struct, frozen=True):
    text: str
    answer: str
    questions: tuple[str, ...]


class Figures(Struct, frozen=True):
    """Percent of answers kept, by what was done; `kept` is the share of the document's tokens that stays."""

    budget: int
    wording: str
    kept: float
    selected: float
    beginning: float
    random: float


def count(text: str) -> int:
    return estimate_text(text.encode(), MODEL.tokenizer).tokens


def case(draw: random.Random, chapters: int) -> Case:
    """A document of so many chapters, with one answer in it."""
    thing, its = draw.choice(list(THINGS.items()))
    quality, other = draw.choice(list(PROPERTIES.items()))
    answer = f"The {quality} of the {thing} comes to {draw.randrange(10**5, 10**6)} units."
    at = draw.randrange(chapters)
    parts: list[str] = []
    for number in range(chapters):
        about, what = draw.choice(list(THINGS)), draw.choice(list(PROPERTIES))
        if (about, what) == (thing, quality):
            what = next(name for name in PROPERTIES if name != quality)
        said = [f"In part {number} the {what} of the {about} is explained."] + [
            " ".join(draw.choices(FILLER, k=draw.randrange(9, 20))).capitalize() + "." for _ in range(draw.randrange(5, 12))
        ]
        said.insert(draw.randrange(len(said)), f"It differs from the {draw.choice(list(PROPERTIES))} elsewhere.")
        if number == at:
            said.insert(draw.randrange(len(said)), answer)
        parts.append(f"## Part {number}\n\n{' '.join(said)}\n\n")
    asked = ((quality, thing), (quality, its), (other, its))
    return Case("".join(parts), answer, tuple(f"What is the {one} of the {two}?" for one, two in asked))


def shares(cases: list[Case], budget: int, wording: int, draw: random.Random) -> Figures:
    hits = dict.fromkeys(("selected", "beginning", "random"), 0)
    kept = whole = 0
    for one in cases:
        pieces = (Piece("document", one.text), Piece("user", one.questions[wording]))
        fresh = select(pieces, Recipe(select_tokens=budget), MODEL, by_words).get(0, one.text)
        spent = count(fresh)
        kept, whole = kept + spent, whole + count(one.text)
        sections = [one.text[section.start : section.end] for section in split_sections(one.text, count)]
        hits["selected"] += one.answer in fresh
        hits["beginning"] += one.answer in first(sections, spent)
        hits["random"] += one.answer in first(draw.sample(sections, len(sections)), spent)
    told = {name: round(100 * hit / len(cases), 1) for name, hit in hits.items()}
    return Figures(budget, WORDINGS[wording], round(100 * kept / whole, 1), **told)


def first(sections: list[str], tokens: int) -> str:
    """As many of the sections as fit."""
    taken: list[str] = []
    for section in sections:
        tokens -= count(section)
        if tokens < 0:
            break
        taken.append(section)
    return "".join(taken)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection", description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--chapters", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    cases = [case(draw, arguments.chapters) for _ in range(arguments.cases)]
    by_words("warm up", ["warm", "up"])
    begun = perf_counter()
    figures = [shares(cases, budget, wording, draw) for wording in range(len(WORDINGS)) for budget in BUDGETS]
    seconds = perf_counter() - begun
    tokens = sum(count(one.text) for one in cases) // len(cases)
    print(f"generated documents: {len(cases)} of about {tokens:,} tokens; percent of answers kept")
    print(f"{'question':12} {'budget':>7} {'kept %':>7} {'select':>7} {'beginning':>10} {'random':>7}")
    for one in figures:
        print(f"{one.wording:12} {one.budget:7,} {one.kept:7} {one.selected:7} {one.beginning:10} {one.random:7}")
    if arguments.json:
        told = {"generated": True, "cases": len(cases), "tokens": tokens, "seed": arguments.seed, "figures": figures}
        told |= {"seconds": round(seconds, 2), "python": platform.python_version(), "bm25s": metadata.version("bm25s")}
        print(msgspec.json.encode(told).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

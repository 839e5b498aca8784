"""Graded examples drawn from a seed: tasks that differ, and words that tell."""

from __future__ import annotations

from random import Random

from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.labels import Labelled, Outcome

CHEAP, STRONG = "small", "large"
FILLING = (
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "is",
    "that",
    "it",
    "for",
    "on",
    "with",
    "as",
    "are",
    "this",
    "by",
    "be",
    "at",
    "or",
)


def example(at: int, draw: Random, *, losses: dict[str, float], told: float = 0.0) -> Labelled:
    """The strong arm is right but for one in ten; the cheap one loses as often as its task says, and with `told` more where
    the prompt says "intricate", less where it says "simple"."""
    task = draw.choice(sorted(losses))
    hint = draw.choice(("simple", "intricate"))
    words = [*draw.choices(FILLING, k=12), hint, *draw.choices(FILLING, k=12)]
    loss = losses[task] + (told if hint == "intricate" else -told)
    strong = float(draw.random() > 0.1)
    cheap = float(strong and draw.random() > loss)
    return Labelled(str(at), " ".join(words), Surroundings(task=task), {CHEAP: Outcome(cheap), STRONG: Outcome(strong)})


def examples(count: int, seed: int, *, losses: dict[str, float], told: float = 0.0) -> list[Labelled]:
    draw = Random(seed)
    return [example(at, draw, losses=losses, told=told) for at in range(count)]

"""Kinds of tasks are named on plain evidence, and not otherwise."""

from __future__ import annotations

import pytest

from thriftgate.core.routing.features import Surroundings
from thriftgate.core.routing.kinds import KINDS, SPLIT, kind_of
from thriftgate.pricing.load import load_models


def around(**members: object) -> Surroundings:
    values: dict[str, object] = {"task": "", "turns": 1, "tools": 0, "images": 0, "schema": False, "prompt_tokens": 50}
    return Surroundings(**values | members)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instructions", "asked", "kind"),
    [
        ("Classify the message as spam or ham.", "win a prize", "classify"),
        ("", "Choose the category that fits", "classify"),
        ("", "Suggest five keywords for this article", "tag"),
        ("Extract all names and dates.", "On Monday, Ann met Bob.", "extract"),
        ("Decide which team should handle the ticket.", "my printer burns", "route"),
        ("", "Convert this list into valid JSON", "json_format"),
        ("", "What is the capital of Peru?", "short_qa"),
        ("", "Draft a letter to the council", "generate"),
        ("Answer based only on the documents.", "who owns it", "rag"),
        ("", "<documents>…</documents> who owns it", "rag"),
        ("", "Refactor this class", "code"),
        ("", "Prove that there are infinitely many primes", "reason"),
        ("You find the root cause of outages.", "it broke", "reason"),
    ],
)
def test_plain_evidence(instructions: str, asked: str, kind: str) -> None:
    assert kind_of(instructions, asked, around()) == kind


@pytest.mark.parametrize(
    ("instructions", "asked", "members"),
    [
        ("", "Hello there", {}),
        ("", "", {}),
        ("You are helpful.", "What is the capital of Peru?", {}),  # who has instructions may mean anything by it
        ("", "What is the capital of Peru?", {"turns": 2}),
        ("", "What " * 60 + "?", {}),
        ("Classify the message.", "x", {"tools": 1}),
        ("Classify the picture.", "x", {"images": 1}),
        ("", "x" * 600 + " classify", {}),
    ],
)
def test_no_kind_without_it(instructions: str, asked: str, members: dict[str, object]) -> None:
    assert kind_of(instructions, asked, around(**members)) == ""


def test_the_split_names_a_known_model_for_each_kind() -> None:
    models = load_models()
    assert set(SPLIT) == set(KINDS)
    assert all(model in models for model in SPLIT.values())

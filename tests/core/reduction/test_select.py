"""`context.select`: what is kept of documents, what is noted, and when nothing is done."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.select import by_words, rewrite, select
from thriftgate.core.tokens import estimate_text
from thriftgate.pricing.load import load_models

MODEL = load_models()["claude-opus-4-8"]
TOPICS = [
    "travel",
    "parking",
    "laptops",
    "parental leave",
    "expenses",
    "visitors",
    "holidays",
    "security badges",
    "training",
]
NOTE = re.compile(r"\[\d+ sections? left out here[^\n]*\]")


def tokens(text: str) -> int:
    return estimate_text(text.encode(), MODEL.tokenizer).tokens


def chapter(topic: str) -> str:
    said = " ".join(f"The {number}. rule on {topic} is known to the people who work with it." for number in range(8))
    return f"## On {topic}\n\n{said}\n\n"


HANDBOOK = "".join(map(chapter, TOPICS))
QUESTION = "What is said of parental leave?"


def document(text: str) -> Piece:
    return Piece("document", text)


def user(text: str) -> Piece:
    return Piece("user", text)


def sent(*pieces: Piece, budget: int = 500) -> list[str]:
    """The texts as they are sent; checks what holds of every message."""
    recipe = Recipe(select_tokens=budget)
    done = rewrite(pieces, recipe, MODEL)
    assert done == rewrite(pieces, recipe, MODEL)
    fresh = [done.get(at, piece.text) for at, piece in enumerate(pieces)]
    assert all(fresh[at] != pieces[at].text for at in done)
    if done:
        again = tuple(Piece(piece.kind, text, piece.tool) for piece, text in zip(pieces, fresh, strict=True))
        assert rewrite(again, recipe, MODEL) == {}
        assert sum(map(tokens, fresh)) < sum(tokens(piece.text) for piece in pieces)
    return fresh


def test_the_section_asked_about_stays() -> None:
    fresh, question = sent(document(HANDBOOK), user(QUESTION))
    assert question == QUESTION
    assert chapter("parental leave") in fresh
    assert tokens(fresh) <= 500
    assert chapter("training") not in fresh


def test_what_is_left_out_is_named_in_its_place() -> None:
    fresh, _ = sent(document(HANDBOOK), user(QUESTION), budget=300)
    first, last = NOTE.findall(fresh)
    assert first == "[3 sections left out here: On travel; On parking; On laptops]"
    assert last == "[5 sections left out here: On expenses; On visitors; On holidays and 2 more]"
    assert fresh == f"{first}\n\n{chapter('parental leave')}{last}\n\n"


@pytest.mark.parametrize(
    "pieces", [(user(QUESTION), document(HANDBOOK)), (document(HANDBOOK), user("Hello"), user(QUESTION))]
)
def test_the_question_may_stand_anywhere(pieces: tuple[Piece, ...]) -> None:
    assert any(chapter("parental leave") in text and NOTE.search(text) for text in sent(*pieces))


def test_the_budget_is_for_all_documents_together() -> None:
    texts = ["".join(map(chapter, TOPICS[at : at + 3])) for at in (0, 3, 6)]
    fresh = sent(*map(document, texts), user(QUESTION))
    assert sum(map(tokens, fresh[:3])) <= 500
    assert chapter("parental leave") in fresh[1]
    assert fresh[0] == "[3 sections left out here: On travel; On parking; On laptops]\n\n" or "## On" in fresh[0]


def test_order_is_that_of_the_document() -> None:
    fresh, _ = sent(document(HANDBOOK), user("What about training, and what about travel by car?"), budget=600)
    assert fresh.index(chapter("travel")) < fresh.index(chapter("training"))


def test_under_budget_nothing_changes() -> None:
    assert sent(document(HANDBOOK), user(QUESTION), budget=tokens(HANDBOOK)) == [HANDBOOK, QUESTION]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Please summarise this.",
        "Summarize the parental leave rules",
        "Which kind of leave is the longest?",
        "Which is the cheapest parental leave?",
        "Translate into French",
        "Proofread it",
        "What are all rules on parental leave?",
        "List every rule of parental leave",
        "Compare parental leave with travel",
        "How many rules has parental leave?",
        "Fasse das Handbuch bitte zusammen",
        "Übersetze das Kapitel",
        "Quels sont tous les parental leave",
        "What is this?",
        "Quantum chromodynamics?",
        "育児休暇について",
    ],
)
def test_without_a_question_on_a_part_nothing_changes(question: str) -> None:
    assert sent(document(HANDBOOK), user(question)) == [HANDBOOK, question]


def test_without_a_user_text_nothing_changes() -> None:
    assert sent(document(HANDBOOK)) == [HANDBOOK]


@pytest.mark.parametrize("kind", ["tool_result", "system", "image"])
def test_only_documents_are_selected_from(kind: Kind) -> None:
    assert sent(Piece(kind, HANDBOOK), user(QUESTION)) == [HANDBOOK, QUESTION]


# --- documents within a user text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<document>\n", "</document>"),
        ('<context id="7">', "</context>"),
        ("<documents>\n", "</documents>"),
        (
            '<documents>\n<document index="1">\n<source>leave.md</source>\n<document_content>\n',
            "</document_content>\n</document>\n</documents>",
        ),
        ("<search_result>\n<source>x</source>\n<content>", "</content></search_result>"),
        ("Answer from this.\n\nContext:\n", "\n\nQuestion: "),
        ("### Retrieved passages:\n", "\n## User question: "),
    ],
)
def test_marked_up_documents(before: str, after: str) -> None:
    (fresh,) = sent(user(f"{before}{HANDBOOK}{after}{QUESTION}"))
    assert fresh.startswith(before)
    assert fresh.endswith(f"{after}{QUESTION}")
    assert chapter("parental leave") in fresh
    assert len(NOTE.findall(fresh)) == 2


def test_several_elements_share_the_budget() -> None:
    text = "".join(f"<document>\n{chapter(topic)}</document>\n" for topic in TOPICS)
    (fresh,) = sent(user(text + QUESTION))
    assert fresh.count("<document>\n") == fresh.count("</document>\n") == len(TOPICS)
    assert chapter("parental leave") in fresh
    assert "<document>\n[1 section left out here: On travel]\n\n</document>" in fresh


@pytest.mark.parametrize(
    "text",
    [
        f"{HANDBOOK}\n{QUESTION}",
        f"<document>\n{HANDBOOK}\n{QUESTION}",
        f"<doc>\n{HANDBOOK}</doc>\n{QUESTION}",
        f"Context:\n{HANDBOOK}\n\n{QUESTION}",
        f"Context:\n{HANDBOOK}\nQuestion: a\nQuestion: {QUESTION}",
        f"Context: {HANDBOOK}\nQuestion: {QUESTION}",
        "Context:\n" + HANDBOOK.replace("## ", "") + f"\nQuestion: {QUESTION}",
    ],
)
def test_what_is_not_clearly_a_document_is_left_alone(text: str) -> None:
    assert sent(user(text)) == [text]


# --- scores ---------------------------------------------------------------------------------------------------------------


def test_scores_are_of_words() -> None:
    texts = ["Refunds take five days.", "Shipping is free.", "A refund is a refund; a refund!", "nothing"]
    scores = by_words("How long do refunds take?", texts)
    assert scores[0] > scores[2] > 0
    assert scores[1] == scores[3] == 0
    assert by_words("zebra", texts) == [0.0] * 4
    assert by_words("refunds refunds refunds", texts) == by_words("refund", texts)


def test_ties_are_broken_by_order() -> None:
    text = "".join(chapter("leave") for _ in range(9))
    fresh, _ = sent(document(text), user("What is said of leave?"), budget=450)
    assert fresh.startswith(chapter("leave"))
    assert NOTE.search(fresh)


def test_another_scorer_may_be_used() -> None:
    def last(question: str, texts: Sequence[str]) -> list[float]:
        assert question == QUESTION
        return [0.0] * (len(texts) - 1) + [1.0]

    pieces = (document(HANDBOOK), user(QUESTION))
    fresh = select(pieces, Recipe(select_tokens=300), MODEL, last)[0]
    assert fresh.endswith(chapter("training"))
    with pytest.raises(ValueError, match="1 scores for 9 sections"):
        select(pieces, Recipe(select_tokens=300), MODEL, lambda question, texts: [1.0])


def test_what_fits_nowhere_is_left_whole() -> None:
    assert sent(document(HANDBOOK), user(QUESTION), budget=20) == [HANDBOOK, QUESTION]


WORDS = [
    "leave",
    "travel",
    "fee",
    "the",
    "# Part",
    "\n\n",
    "\n",
    "| a |",
    "```",
    "---",
    "- x",
    "Question:",
    "Context:\n",
    "ü.",
]
WORDS += ["<document>", "</document>"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=120).map(" ".join), st.integers(1, 12), st.integers(10, 300))
def test_any_text_is_selected_from_once_and_within_its_budget(text: str, times: int, budget: int) -> None:
    fresh = sent(document(text * times), user("Which fee is for travel?"), budget=budget)
    if fresh[0] != text * times:
        assert tokens(fresh[0]) <= budget
    sent(user(f"{text * times}\nWhich fee is for travel?"), budget=budget)


@pytest.mark.parametrize(("question", "whole"), [("Fasse den Text kurz zusammen", True), ("fasse\nzusammen", False)])
def test_a_german_verb_in_two_parts(question: str, whole: bool) -> None:
    text = "".join(f"# Teil {n}\n\n" + f"Der Text {n} sagt etwas. " * 40 + "\n\n" for n in range(30))
    pieces = (Piece("document", text), Piece("user", f"{question} Text 7"))
    assert (rewrite(pieces, Recipe(select_tokens=500), MODEL) == {}) is whole

"""Paragraphs that stand in a message twice."""

from __future__ import annotations

from thriftgate.core.reduction.repeats import Part, without_repeats

TERMS = "The customer may end the contract at the close of any month, in writing and with four weeks of notice, " * 3
OTHER = "Deliveries are made on working days between eight and six, and someone has to be there to take them in, " * 3


def done(*texts: str) -> list[str]:
    """The texts after it, none of them fenced."""
    return ["".join(part.text for part in parts) for parts in without_repeats([[Part(text, False)] for text in texts])]


def test_later_ones_become_references_to_the_first() -> None:
    note = '[as above: "The customer may end the contract at the close…"]'
    assert done(f"{TERMS}\n\n{OTHER}", f"A.\n\n{TERMS}\n\n{TERMS}\n") == [
        f"{TERMS}\n\n{OTHER}",
        f"A.\n\n{note} \n\n{note} \n",
    ]


def test_within_one_text() -> None:
    assert done(f"{TERMS}\n\n{TERMS}")[0].count("customer") == TERMS.count("customer") + 1


def test_what_is_short_or_differs_stays() -> None:
    for texts in ((TERMS[:190], TERMS[:190] + "\n\nx" * 200), (TERMS, TERMS[:-9] + "otherwise"), (TERMS,), ()):
        assert done(*texts) == list(texts)


def test_a_reference_must_fit_one_paragraph_only() -> None:
    texts = [TERMS + "or so", TERMS + "or not", TERMS + "or so"]
    assert done(*texts) == texts


def test_what_is_no_prose_stays() -> None:
    for block in (
        "    indented = 'line of code'\n" * 12,
        "| a | table | of | cells |\n" * 12,
        '{"some": "json", "with": "words"}\n' * 9,
        "1234 5678 " * 40,
    ):
        assert done(block, block) == [block, block]


def test_fenced_parts_stay() -> None:
    texts = [[Part(TERMS, False), Part(f"```\n{TERMS}\n```", True)], [Part(TERMS, True)]]
    assert without_repeats(texts) == texts

"""Questions over documents: one after the other about the same document, each in a call of its own. Opus 5.5."""

from __future__ import annotations

from thriftgate.demo.stage import Stage
from thriftgate.demo.texts import text

MODEL = "claude-opus-5-5"
SYSTEM = "Answer from the document only. Quote the number of the clause or the heading. If the document is silent, say so."
QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "agreement.md",
        (
            "How much credit is due in a month in which 96.9 per cent of the orders left on the same day?",
            "Up to what amount is the provider liable when a fire destroys goods worth 2.1 million euro?",
            "By when must notice be given to leave at the end of the first term?",
            "May the provider hold our goods back over an unpaid invoice for handling?",
            "What happens on days with unusually high volume?",
            "Which text prevails when Schedule B says something else?",
        ),
    ),
    (
        "travel.md",
        (
            "I fly nine hours and work on the next day. Which class may I book?",
            "May I hand in a hotel bill of 165 for Ghent?",
            "What do I get when I stay with friends?",
            "I lost a receipt of 38 for the second time this year. What now?",
            "Does driving back on Sunday count as working time?",
        ),
    ),
    (
        "incident.md",
        (
            "Why did the tests not find it?",
            "How long did it take from the first double capture to the declaration?",
            "Which actions are still open on 1 November?",
            "How many customers had written before they were told?",
            "What would have raised an alarm earlier?",
        ),
    ),
)
READING_S = 75
NEXT_DOCUMENT_S = 11 * 60


def run(stage: Stage) -> None:
    """Every question brings the whole document along, as a stateless application does."""
    for name, questions in QUESTIONS:
        document = text(name)
        for question in questions:
            stage.client.messages.create(
                model=MODEL,
                max_tokens=500,
                system=SYSTEM,
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": document}, {"type": "text", "text": question}],
                    }
                ],
            )
            stage.tick()
            stage.pause(READING_S)
        stage.pause(NEXT_DOCUMENT_S)


CALLS = sum(len(questions) for _, questions in QUESTIONS)

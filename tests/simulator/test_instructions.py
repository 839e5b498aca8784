from typing import Any

import pytest

from .support import ask, body, simulator

GIVE = "Give the category of this support ticket: billing, shipping, technical, account."
TICKET = "Ticket: Order 12345: my parcel is late."


async def said(text: str, system: Any = None, **members: Any) -> str:
    content = body(messages=[{"role": "user", "content": text}], **members)
    if system is not None:
        content["system"] = system
    reply = (await ask(simulator(accuracy_shift=1.0), content)).json()
    return str(reply["content"][0]["text"])


async def test_the_instruction_may_stand_in_the_system_prompt() -> None:
    assert "simulated" in (await said(TICKET)).lower()
    assert "simulated" in (await said(TICKET, "Be kind. Reply with the category only.")).lower()
    assert await said(TICKET, f"Be kind. {GIVE}\nReply with the category only.") == "shipping"
    assert (
        await said(TICKET, [{"type": "text", "text": GIVE}, {"type": "text", "text": "Return the label only."}])
        == "shipping"
    )
    assert (
        await said("Review: it was superb.", "Classify the sentiment of this review. Answer with a word only.") == "positive"
    )


async def test_without_only_there_is_a_sentence_around_the_label() -> None:
    assert await said(TICKET, GIVE) == "I would say that this is shipping, going by the text."
    assert await said(f"Reply with the label only.\n{TICKET}", GIVE) == "shipping"
    assert await said(f"{GIVE} \n\n{TICKET}") == "shipping"  # as it always was


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ('A ticket that says "parcel is late" counts as account.', "account"),
        ('Tickets with "PARCEL IS LATE" or the like count as billing.', "billing"),
        ('"tracking page" counts as account.', "shipping"),
        ('"parcel is late" counts as nonsense.', "shipping"),
    ],
)
async def test_house_rules_change_the_label(rule: str, label: str) -> None:
    assert await said(f"{GIVE}\n\n{TICKET}", rule) == label


async def test_capitals() -> None:
    assert await said(f"{GIVE}\n\n{TICKET}", "Write the label in capital letters.") == "SHIPPING"
    assert await said(f"{GIVE}\n\n{TICKET}", "Capital letters are dear.") == "shipping"


async def test_a_mark_makes_any_sentence_matter() -> None:
    mark = "[[sim: needs=Add the tax]]"
    assert await said(f"Compute 2 + 3.\n{mark}", "Be quick.\nadd  the TAX.") == "5"
    assert await said(f"Compute 2 + 3.\n{mark}", "Be quick.") != "5"
    assert await said(f"Compute 2 + 3.\n{mark}") != "5"
    assert await said(f"[[sim: say=yes]] {mark}", "Add the tax.") == "yes"
    assert "not told" in await said(f"[[sim: say=yes]] {mark}", "Be quick.")
    assert "not told" in await said(f"Good day. {mark}", "Be quick.")
    assert "Good day" in await said(f"Good day. {mark}", "Add the tax.")
    both = f"Compute 2 + 3. {mark} [[sim: needs=Be quick]]"
    assert (await said(both, "Be quick. Add the tax."), await said(both, "Be quick.") == "5") == ("5", False)

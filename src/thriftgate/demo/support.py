"""Support chat: short conversations, all over the same long handbook. Streamed. Sonnet 5.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thriftgate.demo.stage import Stage
from thriftgate.demo.texts import text

if TYPE_CHECKING:
    from anthropic.types import MessageParam

MODEL = "claude-sonnet-5-5"
CHATS: tuple[tuple[str, ...], ...] = (
    (
        "Hello, I ordered a tent on Monday, LO-4417203, and I would like the green one instead of the sand one.",
        "The state on the page says paid. My postcode is LA9 4QL.",
        "Thank you. Will it still come before the weekend?",
    ),
    (
        "The sole of my boots has come off like the lid of a tin. I bought them fourteen months ago.",
        "They are the Ridge GTX, size 43. I have a photo. Must I prove that I did not do anything odd with them?",
    ),
    (
        "Can I still return a sleeping bag? I opened it, slept in it once, on the sofa.",
        "There was a paper seal, yes, it tore when I opened the bag.",
        "That is a pity. Is there nothing between all and nothing?",
    ),
    (
        "Bonjour, la page de suivi est vide depuis quatre jours pour LO-4418870.",
        "C'est ma fille qui part samedi. Que pouvez-vous faire d'ici là ?",
    ),
    (
        "My voucher SUMMER15 was refused yesterday, although it says until 30 November.",
        "It was an order for a book and a gift card, together 41 pounds.",
    ),
    (
        "Which size of backpack do I need? I am 181 cm tall.",
        "I measured 48 cm from the bone in the neck to the top of the hips.",
        "And boots, Fell line? My street shoes are 42.",
    ),
    (
        "The valve of the gas stove hisses, also when it is shut. We are in the kitchen.",
        "It stands on the balcony now. Do you want it back?",
    ),
    (
        "My jacket leaks at the shoulders after two years. I want a new one.",
        "I have washed it with ordinary powder, and softener, why?",
    ),
)
BETWEEN_TURNS_S = 50
BETWEEN_CHATS_S = 140
LUNCH_S = 25 * 60  # longer than a five-minute cache entry lives


def run(stage: Stage) -> None:
    """Chats one after the other, with a quiet half hour in the middle."""
    handbook = text("handbook.md")
    for number, chat in enumerate(CHATS):
        messages: list[MessageParam] = []
        for question in chat:
            messages.append({"role": "user", "content": question})
            with stage.client.messages.stream(model=MODEL, max_tokens=600, system=handbook, messages=messages) as stream:
                answer = stream.get_final_message()
            messages.append({"role": "assistant", "content": answer.content})
            stage.tick()
            stage.pause(BETWEEN_TURNS_S)
        stage.pause(LUNCH_S if number == len(CHATS) // 2 else BETWEEN_CHATS_S)

"""A long conversation: twenty turns, each sent with everything before it. Streamed. Opus 5.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thriftgate.demo.stage import Stage

if TYPE_CHECKING:
    from anthropic.types import MessageParam

MODEL = "claude-opus-5-5"
SYSTEM = (
    "You help people to plan walks of several days. Ask for what you need, answer with stages, distances and climbs, name "
    "what is uncertain, and leave weather and fitness to the people themselves."
)
TURNS: tuple[str, ...] = (
    "We want to walk for nine days next June, hut to hut, two adults and a girl of fourteen. In the Alps, by train.",
    "Three of us have done the Tour du Mont Blanc in ten days. Not again this year, it was full. Something quieter, please.",
    "Karwendel or the Lechtal Alps? Compare them for us: length of the stages, crowds, how late snow lies on the passes.",
    "Then Lechtal. We arrive in Landeck on a Friday at 14:10. Is there a first stage that fits into that afternoon?",
    "My knee does not like descents over 1,100 metres. Please take that into every stage from now on.",
    "Give us a first plan, one line a day: from, to, kilometres, up, down, hours, hut.",
    "Day four looks like the key. What is the alternative if the pass still has snow? With and without poles and spikes.",
    "The hut on day five is closed until the 20th of June, I just read. What does that do to the plan?",
    "Could we shift everything by a week? School ends on the 3rd of July in our part of the country.",
    "Good. What must we book, and how early? Who takes children at what price?",
    "We carry everything. Make a packing list of at most 9 kilograms for each adult and 6 for the girl, water not counted.",
    "She is vegetarian. Which of the huts cook for that, and where should we carry something ourselves?",
    "How do we get back from the last stage to Landeck with the bags we leave there? Sunday evening, last train 19:47.",
    "My brother would join us from day six, coming from Munich in the morning. Where can he reach us by noon?",
    "He has a dog, a calm one, 22 kilograms. Is that possible at all? If not, tell me frankly and I shall tell him.",
    "All right, no dog. Which days have a way out to a road within three hours if somebody is ill?",
    "Put the ways out into the plan as a column. Keep the rest as it was.",
    "The girl asks for one day with a lake to swim in. Where does that cost us the least?",
    "Then move the rest day there. Show the final plan again, with dates from the 4th of July on.",
    "Last thing: write the message to my brother, eight lines, with the place and time of meeting and what he must bring.",
)
READING_S = 110
DINNER_AFTER, DINNER_S = 10, 40 * 60


def run(stage: Stage) -> None:
    """Two to three minutes between turns, and a dinner in the middle."""
    messages: list[MessageParam] = []
    for number, turn in enumerate(TURNS, start=1):
        messages.append({"role": "user", "content": turn})
        with stage.client.messages.stream(model=MODEL, max_tokens=1200, system=SYSTEM, messages=messages) as stream:
            answer = stream.get_final_message()
        messages.append({"role": "assistant", "content": answer.content})
        stage.tick()
        stage.pause(DINNER_S if number == DINNER_AFTER else READING_S)

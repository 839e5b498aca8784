"""What pydantic-ai does with the model of the recipe: streams, a tool, an output of a type, a conversation."""

import asyncio
import json
import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from recipe import answer, model


class Weather(BaseModel):
    """What an answer holds."""

    city: str
    degrees: int


agent = Agent(model)
asked: list[str] = []


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return f"12 degrees in {city}"


async def stream(text: str) -> list[str]:
    """The pieces of an answer."""
    async with agent.run_stream(text) as run:
        return [piece async for piece in run.stream_text(delta=True, debounce_by=None)]


streamed = asyncio.run(stream("Tell me [[sim: say=one two three four five six]]"))
loop = agent.run_sync('Weather? [[sim: tool=get_weather input={"city":"Oslo"} think=30]] [[sim: say=Rain]]')
typed = Agent(model, output_type=Weather).run_sync("The weather in Oslo?").output

chat = Agent(model, instructions=sys.argv[1])
history: list[ModelMessage] = []
usages = []
for turn in range(3):
    done = chat.run_sync(f"Question {turn}?", message_history=history)
    history = done.all_messages()
    usage = done.usage
    usages.append({"input_tokens": usage.input_tokens, "cache_read_tokens": usage.cache_read_tokens})

print(
    json.dumps(
        {
            "plain": answer.output,
            "streamed": streamed,
            "asked": asked,
            "last": loop.output,
            "typed": type(typed).__name__,
            "usages": usages,
        }
    )
)

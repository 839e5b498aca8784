"""What LlamaIndex does with the model of the recipe: streams, an agent's tool, a conversation."""

import asyncio
import json
import sys

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from recipe import answer, llm

asked: list[str] = []


def get_weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return f"12 degrees in {city}"


async def ask_agent(text: str) -> str:
    """One run of an agent with a tool."""
    return str(await FunctionAgent(tools=[get_weather], llm=llm, streaming=False).run(text))


streamed = [str(chunk.delta) for chunk in llm.stream_complete("Tell me [[sim: say=one two three four five six]]")]
last = asyncio.run(ask_agent('Weather? [[sim: tool=get_weather input={"city":"Oslo"} think=30]] [[sim: say=Rain]]'))

messages = [ChatMessage(role="system", content=sys.argv[1])]
for turn in range(3):
    messages.append(ChatMessage(role="user", content=f"Question {turn}?"))
    messages.append(llm.chat(messages).message)

print(json.dumps({"plain": str(answer), "streamed": streamed, "asked": asked, "last": last}))

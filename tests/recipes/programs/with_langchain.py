"""What LangChain does with the model of the recipe: streams, an agent with a tool, a conversation."""

import json
import sys

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_core.messages import HumanMessage, SystemMessage
from recipe import answer, model


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"12 degrees in {city}"


streamed = [chunk.text for chunk in model.stream("Tell me [[sim: say=one two three four five six]]")]
agent = create_agent(model, [get_weather])
asked = HumanMessage('Weather? [[sim: tool=get_weather input={"city":"Oslo"} think=30]] [[sim: say=Rain]]')
loop = agent.invoke({"messages": [asked]})["messages"]

messages = [SystemMessage(sys.argv[1])]
usages = []
for turn in range(3):
    messages.append(HumanMessage(f"Question {turn}?"))
    messages.append(model.invoke(messages))
    usages.append(messages[-1].usage_metadata)

print(
    json.dumps(
        {
            "plain": answer.text,
            "streamed": streamed,
            "tool": [message.text for message in loop if message.type == "tool"],
            "last": loop[-1].text,
            "usages": usages,
        }
    )
)

"""An agent loop with tools: the tasks of a shift, each until the model ends its turn. Opus 5.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thriftgate.demo.shop import TOOLS, use_tool
from thriftgate.demo.stage import Stage

if TYPE_CHECKING:
    from anthropic.types import Message, MessageParam, ToolResultBlockParam

MODEL = "claude-opus-5-5"
SYSTEM = (
    "You work for the support desk of Larkfield Outdoor, at night and alone. Take one task at a time. Look things "
    "up before you decide, use no tool twice for the same question, and finish with two sentences: what you did, what is "
    "open. Promise nothing that a tool has not confirmed."
)
TASKS: tuple[str, ...] = (
    "Look up the order LO-4417203: the customer wants the green tent instead of the sand one.",
    "Check the stock of TENT-3-GREEN and of TENT-3-SAND, and say whether the swap can be made.",
    "Track the parcel of LO-4418870; the customer in Lyon has heard nothing for four days.",
    "Open an inquiry with the carrier about LO-4418870, if the rules allow it.",
    "Track the parcel of LO-4419356. It holds a harness for a course on Saturday.",
    "Check the stock for a second parcel for LO-4419356, harness and rope.",
    "Write the note for the morning shift about LO-4419356.",
)
ROUNDS_MAX = 8  # of tool calls within one task
THINKING_S, BETWEEN_TASKS_S = 6, 45


def run(stage: Stage) -> None:
    """Streams and whole answers in turn; the history, thinking included, goes back as it came."""
    messages: list[MessageParam] = []
    calls = 0
    for task in TASKS:
        messages.append({"role": "user", "content": task})
        for _ in range(ROUNDS_MAX):
            answer = _call(stage, messages, stream=calls % 2 == 0)
            calls += 1
            messages.append({"role": "assistant", "content": answer.content})
            stage.pause(THINKING_S)
            if answer.stop_reason != "tool_use":
                break
            messages.append({"role": "user", "content": _results(answer)})
        stage.pause(BETWEEN_TASKS_S)


def _call(stage: Stage, messages: list[MessageParam], *, stream: bool) -> Message:
    if stream:
        with stage.client.messages.stream(
            model=MODEL, max_tokens=800, system=SYSTEM, tools=TOOLS, messages=messages
        ) as events:
            answer: Message = events.get_final_message()
    else:
        answer = stage.client.messages.create(model=MODEL, max_tokens=800, system=SYSTEM, tools=TOOLS, messages=messages)
    stage.tick()
    return answer


def _results(answer: Message) -> list[ToolResultBlockParam]:
    results: list[ToolResultBlockParam] = []
    for block in answer.content:
        if block.type == "tool_use":
            content, failed = use_tool(block.name, block.input)
            results.append({"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": failed})
    return results

"""What clients of OpenAI's chat completions send and see: requests, and answers as an SDK puts them together."""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.pricing.load import load_models
from thriftgate.wire.openai.chat_request import Taken, Terms, take
from thriftgate.wire.sse import SseDecoder

MODELS = load_models()
TERMS = Terms(MODELS, {"gpt-*": "claude-opus-5-5"}, lambda name: name in MODELS)
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def request(*messages: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A chat completion request; with one short question where no messages are given."""
    turns = list(messages) or [user("hello there")]
    return {"model": "claude-opus-4-8", "messages": turns} | members


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


def assistant(content: Any, **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content} | members


def called(*calls: tuple[str, str], **members: Any) -> dict[str, Any]:
    """A turn that calls `get_weather`: pairs of id and arguments."""
    made = [
        {"id": id_, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
        for id_, arguments in calls
    ]
    return assistant(None, tool_calls=made, **members)


def result(id_: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def taken(document: dict[str, Any] | bytes, terms: Terms = TERMS) -> Taken:
    """A request translated."""
    return take(document if isinstance(document, bytes) else msgspec.json.encode(document), terms)


def messages_of(document: dict[str, Any]) -> dict[str, Any]:
    """The Messages body that becomes of a request, decoded."""
    body: dict[str, Any] = msgspec.json.decode(taken(document).body)
    return body


def lost(document: dict[str, Any]) -> str:
    """What is told of the losses of a request."""
    return taken(document).report.told()


def heard(stream: bytes) -> dict[str, Any]:
    """The completion that a client makes of its chunks, without what it cannot know; a broken one holds `error`."""
    message: dict[str, Any] = {"content": None, "refusal": None}
    completion: dict[str, Any] = {"choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": None}]}
    ended = False
    for event in SseDecoder().feed(stream):
        assert not ended, "something comes after the end"
        if event.data == b"[DONE]":
            ended = True
            continue
        chunk = msgspec.json.decode(event.data)
        if "error" in chunk:
            return {"error": chunk["error"]}
        assert chunk["object"] == "chat.completion.chunk"
        completion |= {name: chunk[name] for name in ("id", "created", "model")}
        if chunk.get("usage"):
            completion |= {"usage": chunk["usage"], "service_tier": chunk["service_tier"]}
        for choice in chunk["choices"]:
            _grow(message, choice["delta"])
            completion["choices"][0]["finish_reason"] = choice["finish_reason"]
    assert ended
    return completion


def _grow(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            for piece in value:
                calls = message.setdefault("tool_calls", [])
                if piece["index"] == len(calls):
                    calls.append({key: part for key, part in piece.items() if key != "index"})
                else:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        elif name == "thinking_blocks":
            assert [block.pop("index") for block in value] == list(range(len(value)))
            message[name] = value
        else:
            message[name] = (message.get(name) or "") + value


def seen(whole: bytes) -> dict[str, Any]:
    """A whole completion, as `heard` tells a stream."""
    completion: dict[str, Any] = msgspec.json.decode(whole)
    if "error" in completion:
        return {"error": completion["error"]}
    assert completion.pop("object") == "chat.completion"
    message = completion["choices"][0]["message"]
    message["content"] = message["content"] or None  # a stream has no way to say that there is a text, and nothing in it
    return completion

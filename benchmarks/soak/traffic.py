"""What clients send: conversations that go on and end, of many keys and models, and all that goes wrong on their side."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

MODELS = (
    "claude-opus-4-8",
    "claude-haiku-4-5",
    "claude-sonnet-4-6",
    "claude-sonnet-4-5",
    "claude-opus-4-5",
    "claude-haiku-5-5",
)
MESSAGES = "/v1/messages"
APPS, LIVE, TURNS_MAX = 24, 240, 12
_WORDS = [
    "river",
    "harbour",
    "ledger",
    "lantern",
    "meadow",
    "copper",
    "signal",
    "orchard",
    "window",
    "garden",
    "letter",
    "bridge",
    "market",
    "winter",
    "station",
    "morning",
    "engine",
    "paper",
    "island",
    "travel",
    "record",
    "silver",
    "journey",
    "weather",
    "kitchen",
]
_TOOL = {
    "name": "look_up",
    "description": "Looks a name up in the register.",
    "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}


class Asked(NamedTuple):
    """One request. `leaves`: its client goes away after the first piece of the answer. `key` is an index."""

    kind: str
    key: int
    body: bytes = b""
    method: str = "POST"
    path: str = MESSAGES
    headers: tuple[tuple[str, str], ...] = ()
    leaves: bool = False


class _Talk:
    """One conversation: the same client, model and application for all its turns."""

    def __init__(self, draw: random.Random, keys: int, number: int) -> None:
        self.key, self.model, self.number = draw.randrange(keys), draw.choice(MODELS), number
        self.app, self.tools = draw.randrange(APPS), draw.random() < 0.3
        self.messages: list[dict[str, Any]] = []


class Traffic:
    """Draws one call after the other, the same ones for the same seed. The last of the `keys` has hardly any money."""

    def __init__(self, seed: int, keys: int) -> None:
        self._draw = random.Random(seed)
        self._keys = keys
        self._made = 0
        self._systems = [self._prose(random.Random(f"{seed}/app/{app}"), 300 + 250 * (app % 8)) for app in range(APPS)]
        self._talks = [self._talk() for _ in range(LIVE)]
        self._kinds: tuple[tuple[Callable[[], Asked], int], ...] = (
            (self._plain, 38),
            (self._stream, 30),
            (self._leaves, 4),
            (self._same, 8),
            (self._counted, 4),
            (self._openai, 5),
            (self._listed, 2),
            (self._invalid, 2),
            (self._unknown, 1),
            (self._waits, 3),
            (self._poor, 3),
        )

    def next(self) -> Asked:
        """The next call."""
        work, weights = zip(*self._kinds, strict=True)
        return self._draw.choices(work, weights)[0]()  # type: ignore[no-any-return]

    def turn(self) -> Asked:
        """A turn of a conversation, whatever else clients do."""
        return self._turn("fill")

    def batch(self, requests: int) -> Asked:
        """A batch of the client's own."""
        name = self._number()
        rows = [
            {"custom_id": f"b{name}-{at}", "params": self._body(f"batch {name} row {at} [[sim: out=12]]", MODELS[1])}
            for at in range(requests)
        ]
        return Asked("batch", 0, msgspec.json.encode({"requests": rows}), path=f"{MESSAGES}/batches")

    # kinds

    def _plain(self) -> Asked:
        return self._turn("plain")

    def _stream(self) -> Asked:
        return self._turn("stream", stream=True)

    def _leaves(self) -> Asked:
        return self._turn("leaves", stream=True)._replace(leaves=True)

    def _same(self) -> Asked:
        text = f"Sort this letter: {self._draw.randrange(60)} [[sim: out=8]]"
        body = msgspec.json.encode(self._body(text, MODELS[1]))
        return Asked("same", self._draw.randrange(4), body, headers=(("thriftgate-task", "same"),))

    def _counted(self) -> Asked:
        body = self._body(f"count {self._number()}", self._draw.choice(MODELS))
        del body["max_tokens"]
        return Asked("count", self._key(), msgspec.json.encode(body), path=f"{MESSAGES}/count_tokens")

    def _openai(self) -> Asked:
        messages = [{"role": "user", "content": f"openai {self._number()} [[sim: out=20]]"}]
        body = {"model": MODELS[1], "max_tokens": 100, "messages": messages}
        return Asked("openai", self._key(), msgspec.json.encode(body), path="/v1/chat/completions")

    def _listed(self) -> Asked:
        return Asked("models", self._key(), method="GET", path="/v1/models")

    def _invalid(self) -> Asked:
        return Asked("invalid", self._key(), self._draw.choice((b"{", b"[]", b"", b'{"model":"claude-opus-4-8"}')))

    def _unknown(self) -> Asked:
        return Asked("unknown", self._key(), msgspec.json.encode(self._body("hello", "claude-nobody")))

    def _waits(self) -> Asked:
        body = msgspec.json.encode(self._body(f"tonight {self._number()} [[sim: out=20]]", MODELS[1]))
        return Asked("waits", self._key(), body, headers=(("thriftgate-deadline", "6h"),))

    def _poor(self) -> Asked:
        body = self._body(f"poor {self._number()} [[sim: out=40]]", MODELS[0])
        return Asked("poor", self._keys - 1, msgspec.json.encode(body))

    # parts

    def _turn(self, kind: str, *, stream: bool = False) -> Asked:
        """The next turn of one of the conversations that are under way."""
        at = self._draw.randrange(LIVE)
        talk = self._talks[at]
        if len(talk.messages) >= 2 * TURNS_MAX:
            talk = self._talks[at] = self._talk()
        size = self._draw.randint(5, 80)
        if talk.tools and talk.messages and self._draw.random() < 0.6:
            used = f"toolu_{talk.number:08d}{len(talk.messages):04d}"
            given = {"type": "tool_use", "id": used, "name": "look_up", "input": {"name": self._draw.choice(_WORDS)}}
            result = {"type": "tool_result", "tool_use_id": used, "content": self._prose(self._draw, 60)}
            talk.messages[-1] = {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, given]}
            said: Any = [result, {"type": "text", "text": f"And now? [[sim: out={size}]]"}]
        else:
            said = f"{self._prose(self._draw, 40)} {talk.number}.{len(talk.messages)} [[sim: out={size}]]"
        talk.messages.append({"role": "user", "content": said})
        body: dict[str, Any] = {
            "model": talk.model,
            "max_tokens": 400,
            "system": self._systems[talk.app],
            "messages": talk.messages,
        }
        if talk.tools:
            body["tools"] = [_TOOL]
        if stream:
            body["stream"] = True
        raw = msgspec.json.encode(body)
        talk.messages.append({"role": "assistant", "content": self._prose(self._draw, 30)})
        return Asked(kind, talk.key, raw)

    def _talk(self) -> _Talk:
        return _Talk(self._draw, self._keys - 1, self._number())

    def _key(self) -> int:
        return self._draw.randrange(self._keys - 1)

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _body(self, text: str, model: str) -> dict[str, Any]:
        return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}

    @staticmethod
    def _prose(draw: random.Random, words: int) -> str:
        return " ".join(draw.choices(_WORDS, k=words))


def expected(kind: str) -> Sequence[int]:
    """The statuses that a call of this kind may be answered with, faults of the provider included."""
    faults = (429, 500, 502, 504, 529)
    return {
        "invalid": (400,),
        "unknown": (400, 404),
        "waits": (202, 200, *faults),
        "poor": (200, 402, *faults),
    }.get(kind, (200, *faults))

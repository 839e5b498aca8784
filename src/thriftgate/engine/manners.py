"""Which conversations began with what is asked of their answers: a rule that changed the prompt must go on changing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.generations import Generations
from thriftgate.core.models import Capabilities
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.facts import Told
from thriftgate.core.output.rules import BREVITY, EFFORT, PREFILL, SCHEMA, OutputRule
from thriftgate.core.prefix import Prefix

CONVERSATIONS = 50_000
_PLACE_BYTES = 16
_OF_PROMPT = frozenset({SCHEMA, PREFILL, BREVITY, EFFORT})
_NOTHING = ""


class Manner(Struct, frozen=True):
    """A rule, and the levers that were on."""

    rule: OutputRule
    levers: tuple[str, ...]

    def name(self) -> str:
        """A digest of both."""
        return sha256(msgspec.msgpack.encode(self)).hexdigest()[:16]

    def holds(self, rules: Sequence[OutputRule], levers: Sequence[str]) -> bool:
        """Whether what it asks of the prompt would still be asked of some call."""
        return self.rule in rules and _OF_PROMPT.intersection(self.levers) <= set(levers)

    def going_on(self, met: OutputRule | None, levers: Sequence[str]) -> Manner:
        """How a later turn is asked, which meets another rule, or none: what belongs to the prompt stays as it began, what
        belongs to the call alone is that turn's own."""
        now = met or OutputRule("")
        rule = replace(self.rule, cap=now.cap, stop=now.stop, until=now.until)
        kept = tuple(lever for lever in LEVERS if lever in (self.levers if lever in _OF_PROMPT else levers))
        return Manner(rule, kept)

    def as_acting(self, told: Mapping[str, Told], capability: Capabilities) -> Manner:
        """What the conversation has begun with: without what could not be asked of its prompt."""
        by_call = {PREFILL} if capability.prefill else frozenset[str]()
        idle = {lever for lever in _OF_PROMPT - by_call if lever not in told or not told[lever].applied}
        return Manner(self.rule, tuple(lever for lever in self.levers if lever not in idle))


class _Kept(Struct, array_like=True):
    manners: dict[str, Manner]
    conversations: list[tuple[bytes, str]]


class Manners:
    """By place (`places`): where a request of the conversation ended."""

    def __init__(self) -> None:
        self._begun: Generations[bytes, str] = Generations(CONVERSATIONS)
        self._manners: dict[str, Manner] = {}

    @property
    def any(self) -> bool:
        """Whether there is any to recognise."""
        return len(self._begun) > 0

    def of(self, places: Sequence[bytes]) -> Manner | None:
        """How the conversation was asked for its last answer before these places; None where nothing was asked."""
        found = self._begun.among(places)
        name = next((found[place] for place in reversed(places) if place in found), _NOTHING) if found else _NOTHING
        return self._manners.get(name)

    def note(self, place: bytes, manner: Manner | None) -> None:
        """The conversation up to `place` goes out so; None: as it came."""
        if manner is None:
            self._begun[place] = _NOTHING
            return
        name = manner.name()
        self._manners[name] = manner
        self._begun[place] = name

    def kept(self) -> bytes:
        """The latest conversations, to be restored at the next start."""
        conversations = list(self._begun.recent(CONVERSATIONS))
        names = {name for _, name in conversations}
        manners = {name: manner for name, manner in self._manners.items() if name in names}
        return msgspec.msgpack.encode(_Kept(manners, conversations))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        self._manners = kept.manners | self._manners
        for place, name in reversed(kept.conversations):
            self._begun[place] = name


def places(prefix: Prefix, key: str, model: str) -> list[bytes]:
    """A digest behind each message, of all that stands before: tools, system prompt, messages. Unlike `Prefix.chain` it does
    not hang on parameters of the call, which may change in mid-conversation without touching what thinking is bound to."""
    rolling = sha256(f"{key}/{model}".encode()).digest()
    found: list[bytes] = []
    last = -1
    for block in prefix.blocks:
        if block.section == "messages" and block.index != last:
            if last >= 0:
                found.append(rolling[:_PLACE_BYTES])
            last = block.index
        rolling = sha256(rolling + block.part.digest).digest()
    return [*found, rolling[:_PLACE_BYTES]] if last >= 0 else found

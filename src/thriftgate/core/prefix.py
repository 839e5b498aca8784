"""The prompt as the provider's cache sees it: blocks in render order, and a rolling digest at each block boundary.

Two requests share a cached prefix exactly when they share a boundary digest. Render order is tools, system, messages
(platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from itertools import chain as chained

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.blocks import (
    DIGEST_BYTES,
    THINKING,
    WEB_TOOL,
    Block,
    Run,
    digest_of,
    lenient,
    read_system,
    read_tools,
)
from thriftgate.core.memo import Conversation, Head, Level, PartMemo, Turn
from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request, Ttl

_NONE = Run()


class Prefix(Struct, frozen=True):
    """All blocks, the digest of everything up to and including each of them, and the messages, which stand in the body from
    byte `turns_start` on. `settings` are the parameters that enter the digests, by name, so that a change can be named."""

    blocks: tuple[Block, ...]
    chain: tuple[bytes, ...]
    turns: tuple[Turn, ...] = ()
    turns_start: int = 0
    marks_count: int = 0
    settings: Mapping[str, bytes] = {}

    def message_spans(self) -> list[tuple[int, int]]:
        """Where each message stands in the request's body."""
        spans: list[tuple[int, int]] = []
        position = self.turns_start
        for turn in self.turns:
            end = position + len(turn.text)
            spans.append((position + turn.lead, end))
            position = end
        return spans

    def marks(self) -> tuple[tuple[int, Ttl], ...]:
        """The breakpoints the client set itself, as (block index, TTL)."""
        return tuple((at, block.part.mark) for at, block in enumerate(self.blocks) if block.part.mark is not None)

    def last_markable(self) -> int | None:
        """Index of the last block that may carry a breakpoint: where automatic caching puts its own."""
        return next((at for at in reversed(range(len(self.blocks))) if self.blocks[at].part.markable), None)

    def markable_at(self, at: int) -> int | None:
        """Index of the deepest block up to `at` that may carry a breakpoint."""
        return next((place for place in range(at, -1, -1) if self.blocks[place].part.markable), None)

    def head_end(self) -> int | None:
        """Index of the last block of tools and system together: the part every conversation of an application shares."""
        head = None
        for at, block in enumerate(self.blocks):
            if block.section == "messages":
                break
            if block.part.markable:
                head = at
        return head


def read_prefix(request: Request, capability: Capabilities, memo: PartMemo, scope: bytes) -> Prefix:
    """Split the request into blocks and chain their digests.

    `scope` separates what the provider's cache keeps apart: organisation and workspace, told by the key. Raises
    InputError where tools, system or a message has a form that is no Messages content.
    """
    family = capability.tokenizer
    tools = memo.member(request.raw("tools"), family, read_tools) if "tools" in request.members else _NONE
    system = memo.member(request.raw("system"), family, read_system) if "system" in request.members else _NONE
    _, start, end = request.members["messages"]
    conversation = memo.conversation(request.body, start, end, family)
    turns = tuple(conversation.turns)
    spoken = [turn.run for turn in turns]
    cites = system.cites or any([run.cites for run in spoken])  # noqa: C419  twice as fast as a generator
    head = memo.head(tools, system, (scope, capability.id, request.mode, cites), _head)
    has_image = system.has_image or any([run.has_image for run in spoken])  # noqa: C419
    settings = _message_settings(request, capability, has_image=has_image)
    seed = _level(head.rolling, b"messages" + b"\0".join(settings.values()))
    if cites:
        settings["citations"] = b"on"
    marks_count = tools.marks_count + system.marks_count + sum([run.marks_count for run in spoken])
    said = tuple(chained.from_iterable([run.blocks for run in spoken]))
    left = _left_by_provider(spoken, said, capability)
    message_chain = _message_chain(conversation, seed) if left is said else _roll(seed, left)[1]
    blocks, chain = (*head.blocks, *left), (*head.chain, *message_chain)
    return Prefix(blocks, chain, turns, start + 1, marks_count, settings)


def _head(tools: Run, system: Run, level: Level) -> Head:
    """Tools and system as they are rendered, with the digests behind each block."""
    scope, model, mode, cites = level
    web = tuple([block for block in tools.blocks if block.part.kind == WEB_TOOL])
    defined = tuple([block for block in tools.blocks if block.part.kind != WEB_TOOL]) if web else tools.blocks
    instructed = web + system.blocks
    rolling = sha256(b"\0".join((scope, model.encode(), mode.encode()))).digest()
    rolling, tools_chain = _roll(_level(rolling, b"tools"), defined)
    rolling, system_chain = _roll(_level(rolling, b"system+cites" if cites else b"system"), instructed)
    return Head((*defined, *instructed), (*tools_chain, *system_chain), rolling)


def _left_by_provider(spoken: list[Run], said: tuple[Block, ...], capability: Capabilities) -> tuple[Block, ...]:
    """The message blocks that reach the model: a compaction block stands for everything before it, and models that keep
    only the last turn's thinking lose what came before the user last spoke (…/build-with-claude/compaction and …/thinking,
    2026-08)."""
    if any([run.compacts for run in spoken]):  # noqa: C419
        compactions = [at for at, block in enumerate(said) if block.part.kind == "compaction"]
        said = said[compactions[-1] :]
    if not capability.keeps_thinking and any([run.thinks for run in spoken]):  # noqa: C419
        last = max((at for at, run in enumerate(spoken) if run.speaks), default=-1)
        said = tuple([block for block in said if block.index > last or block.part.kind not in THINKING])
    return said


def _level(rolling: bytes, salt: bytes) -> bytes:
    """Begin a level: what invalidates it enters here (table "What invalidates what",
    platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10)."""
    return sha256(rolling + salt).digest()[:DIGEST_BYTES]


def _roll(rolling: bytes, blocks: tuple[Block, ...]) -> tuple[bytes, tuple[bytes, ...]]:
    digests: list[bytes] = []
    for block in blocks:
        rolling = sha256(rolling + block.part.digest).digest()[:DIGEST_BYTES]
        digests.append(rolling)
    return rolling, tuple(digests)


def _message_chain(conversation: Conversation, seed: bytes) -> list[bytes]:
    """Chain digests of the messages; those known behind the same seed are not computed again."""
    if conversation.seed != seed:
        conversation.seed, conversation.chains = seed, []
    chains = conversation.chains
    rolling = next((digests[-1] for digests in reversed(chains) if digests), seed)
    for turn in conversation.turns[len(chains) :]:
        rolling, digests = _roll(rolling, turn.run.blocks)
        chains.append(digests)
    return list(chained.from_iterable(chains))


class _ToolChoice(Struct, omit_defaults=True):
    type: str = "auto"
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct, omit_defaults=True):
    type: str = ""
    budget_tokens: int | None = None


class _OutputConfig(Struct):
    effort: str | None = None
    format: Raw | UnsetType = UNSET
    task_budget: Raw | UnsetType = UNSET


def _message_settings(request: Request, capability: Capabilities, *, has_image: bool) -> dict[str, bytes]:
    """Parameters that invalidate the messages level, by name; at their default, or null, they equal being absent."""
    members = request.members
    found: dict[str, bytes] = {}
    if "tool_choice" in members:
        found["tool_choice"] = _tool_choice(request.raw("tool_choice"))
    if "thinking" in members:
        found["thinking"] = _thinking(request.raw("thinking"), capability)
    if "output_config" in members:
        config = lenient(request.raw("output_config"), _OutputConfig) or _OutputConfig()
        if config.effort not in (None, "", capability.effort_default):
            found["effort"] = b"effort" + config.effort.encode()
        if config.format is not UNSET:
            found["format"] = _unless_null(b"format", bytes(config.format))
        if config.task_budget is not UNSET:
            found["task_budget"] = _unless_null(b"budget", bytes(config.task_budget))
    if "output_format" in members:  # the older place of `output_config.format`
        found["format"] = found.get("format", b"") + _unless_null(b"format", request.raw("output_format"))
    if has_image:
        found["images"] = b"images"
    return {name: value for name, value in found.items() if value} if found else found


def _tool_choice(raw: bytes) -> bytes:
    choice = lenient(raw, _ToolChoice)
    if choice is None:
        return _unless_null(b"choice", raw)
    if not choice.disable_parallel_tool_use:
        choice.disable_parallel_tool_use = None
    return b"choice" + msgspec.json.encode(choice) if choice != _ToolChoice() else b""


def _thinking(raw: bytes, capability: Capabilities) -> bytes:
    thinking = lenient(raw, _Thinking)
    if thinking is None:
        return _unless_null(b"thinking", raw)
    default = "adaptive" if capability.thinking_default_on else "disabled"
    return b"thinking" + msgspec.json.encode(thinking) if thinking != _Thinking(default) else b""


def _unless_null(name: bytes, raw: bytes) -> bytes:
    if raw == b"null":
        return b""
    return name + (raw if len(raw) <= DIGEST_BYTES else digest_of(raw))

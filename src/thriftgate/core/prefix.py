"""The prompt as the provider's cache sees it: blocks in render order, and a rolling digest at each block boundary.

Two requests share a cached prefix exactly when they share a boundary digest. Render order is tools, system, messages
(platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).
"""

from __future__ import annotations

from hashlib import sha256
from itertools import chain as chained

from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.blocks import DIGEST_BYTES, Block, lenient, read_system, read_tools
from thriftgate.core.memo import Conversation, PartMemo
from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request, Ttl


class Prefix(Struct, frozen=True):
    """All blocks, the digest of everything up to and including each of them, and where each message stands in the body."""

    blocks: tuple[Block, ...]
    chain: tuple[bytes, ...]
    messages: tuple[tuple[int, int], ...] = ()

    def marks(self) -> tuple[tuple[int, Ttl], ...]:
        """The breakpoints the client set itself, as (block index, TTL)."""
        return tuple((at, block.part.mark) for at, block in enumerate(self.blocks) if block.part.mark is not None)

    def last_markable(self) -> int | None:
        """Index of the last block that may carry a breakpoint: where automatic caching puts its own."""
        return next((at for at in reversed(range(len(self.blocks))) if self.blocks[at].part.markable), None)

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
    tools = memo.member(request.raw("tools"), family, read_tools) if "tools" in request.members else ()
    system = memo.member(request.raw("system"), family, read_system) if "system" in request.members else ()
    _, start, end = request.members["messages"]
    conversation = memo.conversation(request.body, start, end, family)
    turns = conversation.turns
    spoken = tuple(chained.from_iterable([turn.blocks for turn in turns]))
    blocks = tools + system + spoken
    rolling = sha256(b"\0".join((scope, capability.id.encode(), request.mode.encode()))).digest()
    rolling, head_chain = _roll(_level(rolling, b"tools"), tools)
    if system:
        cites = b"+cites" if any(block.part.cites for block in blocks) else b""
        rolling, system_chain = _roll(_level(rolling, b"system" + cites), system)
        head_chain += system_chain
    seed = _level(rolling, b"messages" + _message_level(blocks, request, capability))
    return Prefix(blocks, (*head_chain, *_message_chain(conversation, seed)), _spans(conversation, start + 1))


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
        rolling, digests = _roll(rolling, turn.blocks)
        chains.append(digests)
    return list(chained.from_iterable(chains))


def _spans(conversation: Conversation, position: int) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for turn in conversation.turns:
        end = position + len(turn.text)
        spans.append((position + turn.lead, end))
        position = end
    return tuple(spans)


class _ToolChoice(Struct):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Thinking(Struct):
    type: str = ""
    budget_tokens: int = 0


class _OutputConfig(Struct):
    effort: str = ""
    format: Raw | UnsetType = UNSET
    task_budget: Raw | UnsetType = UNSET


def _message_level(blocks: tuple[Block, ...], request: Request, capability: Capabilities) -> bytes:
    """Parameters that invalidate the messages level; at their default they equal being absent."""
    members = request.members
    salt: list[bytes] = []
    if "tool_choice" in members and lenient(request.raw("tool_choice"), _ToolChoice) != _ToolChoice():
        salt.append(b"choice" + request.raw("tool_choice"))
    if "thinking" in members:
        thinking = lenient(request.raw("thinking"), _Thinking)
        default = "adaptive" if capability.thinking_default_on else "disabled"
        if thinking is None or thinking.type != default:
            salt.append(b"thinking" + request.raw("thinking"))
    if "output_config" in members:
        config = lenient(request.raw("output_config"), _OutputConfig) or _OutputConfig()
        if config.effort not in ("", capability.effort_default):
            salt.append(b"effort" + config.effort.encode())
        salt += [b"format" + bytes(config.format)] if config.format is not UNSET else []
        salt += [b"budget" + bytes(config.task_budget)] if config.task_budget is not UNSET else []
    if any(block.part.has_image for block in blocks):
        salt.append(b"images")
    return b"\0".join(salt)

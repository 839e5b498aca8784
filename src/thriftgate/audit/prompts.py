"""From a logged request to the boundaries of its prompt: digests and token estimates, no text."""

from __future__ import annotations

from functools import cached_property

from msgspec.structs import replace

from thriftgate.audit.records import PromptBlock, Record
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import Capabilities, ModelTable
from thriftgate.core.plan import Policy
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import prepare
from thriftgate.core.tokens import Family, TokenMemory
from thriftgate.engine.snapshot import framing
from thriftgate.pricing.load import load_models

REWRITES = ("split_volatile", "order_tools", "order_documents", "stable_json")
"""The rewrites of `cache.stabilise` that may be tried on any call; `single_turn` is for its owner to say."""

_REWRITING = Policy(stabilise=REWRITES)
_OTHER: dict[Family, Family] = {"claude3": "claude47", "claude47": "claude3"}


class Prompts:
    """Reads bodies; remembers parts that it has read before, bounded. One per import."""

    def __init__(self) -> None:
        self._parts = PartMemo()
        self._tokens = {family: TokenMemory(50_000) for family in _OTHER}

    @cached_property
    def _models(self) -> ModelTable:
        """Read with the first body: most logs have none."""
        return load_models()

    def of(self, record: Record) -> Record:
        """The record with its body read: the boundaries of the prompt, its client's breakpoints on them, those of the prompt
        with all `REWRITES` where that is another, and how long it is under each tokenizer. Unchanged but for the body where
        that is no request that can be read. Ends are estimates, to be fitted to what the call was billed."""
        try:
            request = parse_request(record.body, needs_max_tokens=False)
            capability = self._models[request.model]
            prefix, ends = self._read(request, capability, record.key)
            other = replace(capability, tokenizer=_OTHER[capability.tokenizer])
            _, other_ends = self._read(request, other, record.key)
            boundaries = _boundaries(request, prefix, ends)
            stabilised = self._stabilised(request, capability, record.key)
        except ThriftgateError:
            return replace(record, body=b"")
        here, there = (ends[-1], other_ends[-1]) if ends and other_ends else (0, 0)
        old, new = (there, here) if capability.tokenizer == "claude47" else (here, there)
        return replace(
            record,
            body=b"",
            prompt=boundaries,
            stabilised=stabilised if stabilised != boundaries else (),
            max_tokens=record.max_tokens or request.max_tokens,
            old_tokens=old,
            new_tokens=new,
        )

    def _stabilised(self, request: Request, capability: Capabilities, key: str) -> tuple[PromptBlock, ...]:
        """The boundaries of the prompt once it is rewritten, () where nothing in it needs that."""
        rewritten = prepare(request, capability, _REWRITING).request
        if rewritten is request:
            return ()
        return _boundaries(rewritten, *self._read(rewritten, capability, key))

    def _read(self, request: Request, capability: Capabilities, key: str) -> tuple[Prefix, tuple[int, ...]]:
        prefix = read_prefix(request, capability, self._parts, key.encode())
        parts = [block.part for block in prefix.blocks]
        tokens = self._tokens[capability.tokenizer]
        estimate = tokens.estimate(capability.id, prefix.chain, parts, framing(prefix, request, capability))
        return prefix, estimate.cumulative


def _boundaries(request: Request, prefix: Prefix, ends: tuple[int, ...]) -> tuple[PromptBlock, ...]:
    tail = prefix.last_markable()
    automatic = request.automatic
    return tuple(
        PromptBlock(
            digest,
            end,
            block.section,
            block.part.kind,
            block.index,
            (automatic if at == tail and automatic else block.part.mark) or "",
            block.part.markable,
        )
        for at, (block, digest, end) in enumerate(zip(prefix.blocks, prefix.chain, ends, strict=True))
    )

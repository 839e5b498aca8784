"""The prompt as the provider's cache sees it: what is remembered changes nothing, and a breakpoint is no part of it."""

from __future__ import annotations

from functools import cache

from fuzz import seeds
from fuzz.part import Part, randomness, unless
from thriftgate.core.errors import InputError
from thriftgate.core.levers.cache_breakpoints import mark_edit
from thriftgate.core.memo import PartMemo
from thriftgate.core.models import ModelTable
from thriftgate.core.prefix import Prefix, read_prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.core.splice import Edit, apply
from thriftgate.pricing.load import load_models

_MODELS = ("claude-opus-5-5", "claude-haiku-4-5")  # the latter drops the thinking of finished turns
_ERRORS = (InputError,)


@cache
def _models() -> ModelTable:
    return load_models()


def _read(request: Request, model: str, memo: PartMemo) -> Prefix | None:
    return unless(_ERRORS, lambda: read_prefix(request, _models()[model], memo, b"scope"))


def check_prefix(data: bytes) -> None:
    """Only InputError. Read again, and read by somebody who has seen similar prompts, it is the same; its messages stand
    where it says; and marked by us it is the same prompt with one mark more."""
    request = unless(_ERRORS, lambda: parse_request(data))
    if request is None:
        return
    random = randomness(data)
    for model in _MODELS:
        prefix = _read(request, model, PartMemo())
        memo = PartMemo()
        similar = unless(_ERRORS, lambda: parse_request(_similar(data, random.randrange(len(data)))))
        if similar is not None:
            _read(similar, model, memo)
        for _ in range(2):
            assert _same(_read(request, model, memo), prefix), "what is remembered changed it"
        if prefix is not None:
            _stands_where_it_says(request, prefix)
            markable = [block for block in prefix.blocks if block.part.markable and block.part.mark is None]
            if markable:
                block = random.choice(markable)
                _marked(request, prefix, mark_edit(request, prefix, block, "5m"), model)


def _similar(data: bytes, at: int) -> bytes:
    """A prompt that differs in one byte: most of it is known then."""
    return data[:at] + (b"b" if data[at : at + 1] == b"a" else b"a") + data[at + 1 :]


def _same(one: Prefix | None, other: Prefix | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.blocks, one.chain, one.settings, one.message_spans()) == (
        other.blocks,
        other.chain,
        other.settings,
        other.message_spans(),
    )


def _stands_where_it_says(request: Request, prefix: Prefix) -> None:
    _, start, end = request.members["messages"]
    assert len(prefix.blocks) == len(prefix.chain)
    before = start
    for begins, ends in prefix.message_spans():
        assert before <= begins < ends <= end
        assert request.body[begins : begins + 1] == b"{"
        assert request.body[ends - 1 : ends] == b"}"
        before = ends
    for block in prefix.blocks:
        assert 0 <= block.part.tokens <= block.part.upper


def _marked(request: Request, prefix: Prefix, edit: Edit, model: str) -> None:
    body = unless(_ERRORS, lambda: apply(request.body, [edit]))
    if body is None:
        return  # a key stands twice in it: no lever can mark such a block
    marked = _read(parse_request(body), model, PartMemo())
    assert marked is not None, "a mark made it unreadable"
    assert marked.chain == prefix.chain, "a mark changed the prompt"
    assert len(marked.marks()) == len(prefix.marks()) + 1


PROMPTS = (Part("prefix", check_prefix, seeds.requests),)

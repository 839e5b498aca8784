"""Tokens of a whole request body, with error bars: what `thriftgate count` prints."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.tokens import Estimate, Family, Measure, TextCounter, estimate_block, framing_tokens
from thriftgate.core.tokens.blocks import BRACKET, QUOTE, is_null, opens_with, spaced_json
from thriftgate.counting.counters import best_counter

_EXACT_SLACK = 200  # an exact count is given one token in so many, for text the reconstruction was never measured on


class CountResult(Struct, frozen=True):
    """Expected input tokens of a request and the range they almost surely lie in. `method` names how text was counted."""

    tokens: int
    low: int
    high: int
    method: str


class _ToolChoice(Struct):
    type: str = "auto"


class _Request(Struct):
    messages: list[Raw] = []
    system: Raw | UnsetType = UNSET
    tools: list[Raw] | None = None
    tool_choice: _ToolChoice | None = None


class _Message(Struct):
    content: Raw | UnsetType = UNSET


_REQUEST = msgspec.json.Decoder(_Request)
_MESSAGE = msgspec.json.Decoder(_Message)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


def count_request(body: bytes, capability: Capabilities, counter: TextCounter | None = None) -> CountResult:
    """Input tokens that this Messages request will be billed, cached or not.

    Text is counted by `counter`, by default the best there is; images by the published rule; framing, PDFs and sealed
    thinking by assumption, which is what `low` and `high` allow for. Raises InputError where the body is no request.
    """
    counter = counter or best_counter()
    family = capability.tokenizer
    measure = _counting(counter, family) if counter.exact else None
    try:
        request = _REQUEST.decode(body)
        messages = [_MESSAGE.decode(raw).content for raw in request.messages]
        total = _framing(request, capability)
        for tool in request.tools or ():
            total += estimate_block("tool", _unmarked(tool), family, capability.image_tier, measure)
        for content in (request.system, *messages):
            for block in _blocks(content):
                total += estimate_block("", _unmarked(block), family, capability.image_tier, measure)
    except UnicodeDecodeError:
        raise InputError("the request is not valid UTF-8") from None
    except msgspec.DecodeError as error:
        raise InputError(f"the request cannot be counted: {error}") from None
    low = total.tokens * total.tokens // total.upper if total.upper else 0
    return CountResult(total.tokens, low, total.upper, counter.method)


def _framing(request: _Request, capability: Capabilities) -> Estimate:
    tool_prompt = 0
    if request.tools:
        forced = request.tool_choice is not None and request.tool_choice.type in ("any", "tool")
        tool_prompt = capability.tool_prompt_forced_tokens if forced else capability.tool_prompt_tokens
    return framing_tokens(capability.tokenizer, messages=len(request.messages), tool_prompt_tokens=tool_prompt)


def _blocks(content: Raw | UnsetType) -> list[Raw]:
    """The blocks of `system` or of a message: a plain string is one block of text."""
    if content is UNSET or is_null(content):
        return []
    return _ITEMS.decode(content) if opens_with(content, BRACKET) else [content]


def _unmarked(raw: Raw) -> bytes | Raw:
    """A block or tool without its breakpoint, which the model never sees."""
    if b'"cache_control"' not in bytes(raw):
        return raw
    members = _MEMBERS.decode(raw)
    members.pop("cache_control", None)
    return msgspec.json.encode(members)


def _counting(counter: TextCounter, family: Family) -> Measure:
    def measure(raw: bytes | Raw) -> Estimate:
        is_string = opens_with(raw, QUOTE)
        text = msgspec.json.decode(raw, type=str) if is_string else spaced_json(raw).decode("utf-8", "replace")
        tokens = counter.count(text, family)
        return Estimate(tokens, tokens + tokens // _EXACT_SLACK + 1)

    return measure

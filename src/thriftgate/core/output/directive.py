"""What is said to the model about the length and form of its answer, and where: at the end of the system prompt.

The text is a function of the rule, the levers that are on and the model, never of the messages; so each turn of a
conversation says the same in the same place, what stands before it stays in the cache, and thinking that is bound to its
prefix stays valid. Where the client has set a breakpoint on its last system block, the text stands behind it, unmarked.
A model that takes `{"role": "system"}` messages could be told at the tail instead; each later turn would have to repeat that
message in its place, which the client does not know of.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.models import Capabilities
from thriftgate.core.output.facts import NULL, joined, literal
from thriftgate.core.output.rules import BREVITY, CAP, EARLY_STOP, EFFORT, LENGTHS, PREFILL, SCHEMA, STOP, OutputRule
from thriftgate.core.output.schema_limits import holds_to_schema
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit

LEVERS = (CAP, STOP, BREVITY, EFFORT, EARLY_STOP, PREFILL, SCHEMA)
_ATTRIBUTION = b'"x-anthropic-billing-header:'


class _Text(Struct):
    type: str = ""
    text: str = ""


def prefill_of(rule: OutputRule) -> str:
    """What answers begin with; the API takes no white space at its end."""
    return rule.prefill.rstrip()


def schema_instead(rule: OutputRule, levers: frozenset[str], capability: Capabilities) -> bool:
    """Whether the schema sees to the beginning: of JSON, on a model that can be held to one."""
    opens = prefill_of(rule).lstrip() in ("{", "[")
    return opens and bool(rule.schema) and SCHEMA in levers and holds_to_schema(capability)


def directive(rule: OutputRule, levers: frozenset[str], capability: Capabilities) -> dict[str, str]:
    """What is to be said, by lever; nothing that the model can be told by a parameter."""
    said: dict[str, str] = {}
    if SCHEMA in levers and rule.schema and not holds_to_schema(capability):
        said[SCHEMA] = (
            "Answer with JSON alone, without a code fence, that is valid against this JSON schema:\n" + rule.schema.decode()
        )
    begin = prefill_of(rule)
    if PREFILL in levers and begin and not capability.prefill and not schema_instead(rule, levers, capability):
        said[PREFILL] = f"Begin your answer with: {begin}"
    if BREVITY in levers and rule.brevity:
        said[BREVITY] = LENGTHS.get(rule.brevity, rule.brevity.strip())
    return said


def at_the_end(request: Request, text: str) -> Edit | str | None:
    """The system prompt with `text` as its last block; a reason where that may not be done, None where it stands there."""
    raw = request.raw("system")
    block = literal({"type": "text", "text": text})
    if not raw or raw in (NULL, b'""'):
        return Edit(("system",), b"[" + block + b"]")
    if raw.startswith(_ATTRIBUTION):
        return "the system prompt is an attribution block, which must stay as it is"
    if raw.startswith(b'"'):
        return Edit(("system",), b'[{"type":"text","text":' + raw + b"}," + block + b"]")
    blocks = lenient(raw, list[Raw])
    if blocks is None:
        return "the system prompt has a form that is not known"
    if blocks and msgspec.json.encode(lenient(blocks[-1], _Text)) == block:
        return None
    return Edit(("system",), joined(raw, block))

"""What a stored answer tells of its call: the counts in either dialect as disjoint buckets, and how it ended.

Anthropic's own usage object counts the input without the cached part. In OpenAI's form `prompt_tokens` includes it, with two
ways round: some gateways copy Anthropic's `input_tokens` there, and the total gives them away (Portkey-AI/gateway,
src/providers/anthropic/chatComplete.ts, 2026-08).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.anthropic_terms import pico_of
from thriftgate.audit.importers.rows import decoder, embedded
from thriftgate.audit.records import Platform
from thriftgate.core.errors import InputError
from thriftgate.core.prices import Mode
from thriftgate.core.usage import Iteration, Usage
from thriftgate.wire.usage import ApiUsage, CacheCreation, Count

_PLATFORMS: dict[str, Platform] = {
    "": "",
    "anthropic": "api",
    "anthropic_text": "api",
    "bedrock": "bedrock",
    "amazon_bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "aws": "bedrock",
    "vertex": "vertex",
    "vertex_ai": "vertex",
    "google_vertexai": "vertex",
    "google_anthropic_vertex": "vertex",
    "google": "vertex",
    "azure_ai": "foundry",
    "azure": "foundry",
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def platform_of(provider: str | None) -> Platform:
    """Who served the call, by the name that a logging platform gives it; "gateway" for one that is none of those that sell
    Claude themselves, "" where it is not told."""
    return _PLATFORMS.get((provider or "").lower().replace("-", "_"), "gateway")


def claimed_pico(cost: str | float | Decimal | None, *, cents: bool = False) -> int | None:
    """What a source says a call cost, in pico-USD. None where it says nothing that can be a cost."""
    if cost is None or cost == "":
        return None
    try:
        return pico_of(Decimal(str(cost)), cents=cents)
    except (InvalidOperation, InputError):
        return None


class Buckets(Struct, frozen=True):
    """The counts of a record, by the names that `Record` has for them."""

    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    write_unsplit: int = 0
    read: int = 0
    output: int = 0
    thinking: int = 0
    web_searches: int = 0
    iterations: tuple[Iteration, ...] = ()
    mode: Mode = "standard"
    geo: str = ""
    cache_untold: bool = False

    @property
    def empty(self) -> bool:
        """Nothing used at all."""
        written = self.write_5m + self.write_1h + self.write_unsplit
        return not (written or self.input or self.read or self.output or self.iterations)


def writes(total: int, split: tuple[int, int] | None) -> tuple[int, int, int]:
    """Cache writes as 5-minute ones, 1-hour ones, and those of untold life. Where the source tells a `split` (5m, 1h), what
    it does not explain is 5m, as in Anthropic's own usage object."""
    if split is None:
        return 0, 0, total
    five, hour = split
    return max(five, total - hour), hour, 0


def uncached(prompt: int, cached: int, output: int, total: int | None) -> int:
    """The input outside the cache, of an input that includes it. If the total is that of disjoint counts, the input was
    without it already. Raises InputError where the cached parts exceed the input they are part of."""
    if cached and total == prompt + cached + output:
        return prompt
    if cached > prompt:
        raise InputError("the cached parts exceed the input that includes them")
    return prompt - cached


class PromptDetails(Struct):
    cached_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_creation_token_details: CacheCreation | None = None


class CompletionDetails(Struct):
    reasoning_tokens: Count | None = None


class AnswerUsage(ApiUsage):
    """A usage object in Anthropic's form, in OpenAI's, or in the mixture that LiteLLM makes of both."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def buckets(self) -> Buckets | None:
        """None where it counts nothing. Raises InputError where the counts contradict each other."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            if self.input_tokens is None and self.output_tokens is None:
                return None
            return self._own()
        return self._converted()

    def _own(self) -> Buckets:
        told = self.usage()
        tokens = told.total
        known = self.cache_creation is not None
        return Buckets(
            input=tokens.input,
            write_5m=tokens.write_5m if known else 0,
            write_1h=tokens.write_1h,
            write_unsplit=0 if known else tokens.write_5m,
            read=tokens.read,
            output=tokens.output,
            thinking=tokens.thinking,
            web_searches=told.web_searches,
            iterations=told.iterations,
            mode=self.mode(),
            geo=self.inference_geo or "",
        )

    def _converted(self) -> Buckets:
        prompt, output = self.prompt_tokens or 0, self.completion_tokens or 0
        details = self.prompt_tokens_details or PromptDetails()
        read = self.cache_read_input_tokens or details.cached_tokens or 0
        split = self.cache_creation or details.cache_creation_token_details
        told = (split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0) if split else None
        written = max(self.cache_creation_input_tokens or 0, details.cache_creation_tokens or 0, sum(told or ()))
        thinking = (self.completion_tokens_details or CompletionDetails()).reasoning_tokens or 0
        five, hour, unsplit = writes(written, told)
        extra = self.usage() if self.iterations or self.server_tool_use else Usage()
        return Buckets(
            input=uncached(prompt, read + written, output, self.total_tokens),
            write_5m=five,
            write_1h=hour,
            write_unsplit=unsplit,
            read=read,
            output=output,
            thinking=min(output, thinking),
            web_searches=extra.web_searches,
            iterations=extra.iterations,
            mode=self.mode(),
            geo=self.inference_geo or "",
        )


class _Choice(Struct):
    finish_reason: str | None = None


class Answer(Struct):
    """A response body, Anthropic's or OpenAI's."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: AnswerUsage | None = None
    choices: list[_Choice] | None = None
    body: Raw = Raw(b"")

    @property
    def stop(self) -> str:
        """Why it stopped, in Anthropic's words."""
        if self.stop_reason:
            return self.stop_reason
        reason = self.choices[0].finish_reason or "" if self.choices else ""
        return _STOPS.get(reason, reason)


_decode = decoder(Answer).decode
NO_ANSWER = Answer()


def answer_in(value: Raw) -> Answer:
    """The answer that a field holds, as an object, as text, or as the `body` of an HTTP response; `NO_ANSWER` if it holds
    none that can be understood."""
    try:
        data = embedded(value)
        found = _decode(data) if data else NO_ANSWER
        if found.usage is None and (inner := embedded(found.body)):
            return _decode(inner)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NO_ANSWER
    return found


def identity(answer_id: str | None, row_id: str | None) -> tuple[str, str]:
    """`call_id` and `request_id` of a row: the provider's id of the answer if it is told, else the platform's own of the
    request; not both, so that the same call found in another log is known again."""
    for one in (answer_id, row_id):
        if one and one.startswith("msg_"):
            return one, ""
    return "", row_id or answer_id or ""

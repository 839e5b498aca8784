"""What a usage log tells, in one form for all logs.

An importer turns each line of a log into a `Record` or an `Issue`; everything behind it (merging, pricing, replay, report)
sees nothing else of the source. Token buckets are disjoint, as in `core/usage.py`: an importer whose source counts cached
tokens into its input takes them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.prices import Mode
from thriftgate.core.usage import Iteration, Tokens

COUNT_MAX = 2**40  # a count beyond is no usage but nonsense, in one call as in the sum of a day

Depth = Literal["day", "call", "prefix", "body"]
"""How much a source tells: sums of a day; counts and time of each call; which prompts share which prefix; whole requests.
Each holds what those before it hold."""

DEPTHS: tuple[Depth, ...] = ("day", "call", "prefix", "body")

Platform = Literal["api", "aws", "bedrock", "vertex", "foundry", "gateway", ""]


class PromptBlock(Struct, frozen=True, array_like=True, gc=False):
    """One boundary of a prompt. Two prompts that share `digest` share everything up to here. `end` counts the tokens up to
    and including it; `section` is "tools", "system" or "messages", `index` the message (or tool) it belongs to, `item` its
    place within it, `kind` the type of content block; `mark` is the TTL of the client's own breakpoint on it, or "".

    The books of a gateway tell more: `placed`, the TTL of the breakpoint that was sent, and what the planner saw: its own
    estimate of the block, `tokens` and `upper`, and `framing`, what the provider adds before it; `tokens` is else -1."""

    digest: bytes
    end: int
    section: str = "messages"
    kind: str = "text"
    index: int = 0
    mark: str = ""
    markable: bool = True
    item: int = 0
    placed: str = ""
    tokens: int = -1
    upper: int = 0
    framing: int = 0


class Record(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One billed call; of a source of depth "day", the sum of `calls` calls (0: not told how many) over `span_us`.

    Identity: `call_id` is the provider's id of the answer (`msg_…`), `request_id` that of the request (`req_…`); both may be
    "". Records with the same ids are copies of one call, see `audit/merge.py`. `source` and `position` say where it stands.
    Times are microseconds since 1970, UTC: `at_us` when the request was sent, `began_us` when its answer began and
    `ended_us` when it was complete, 0 where unknown; `at_is_end` says that only the end is known and stands in `at_us`.
    Tokens: disjoint; `write_unsplit` are cache writes of which the source does not tell whether they live 5 minutes or an
    hour. `thinking` is a part of `output`. `iterations`, where told, are what is billed instead of the buckets.
    `mode` and `geo` are the terms as reported; `model` is as the source writes it. `side`: a side question or sub-agent.
    `reported_pico` is the cost the source claims (pico-USD), never trusted; `bill_pico` is what the provider itself charged
    for this row (cost reports): then it is the cost, and the tokens need not be told. `token_type` names the bucket that
    such a charge is for, by the field names of `Tokens` or "web_search", "code_execution".
    `output_is_floor`: the final count of the answer was not written; there were at least `output` tokens, and by the length
    of the text hardly more than `output_high`. `estimated`: not told by
    the source at all, worked out by the importer. `cache_untold`: the source does not tell which part of the prompt was
    cached; it all stands in `input`.
    `old_tokens` and `new_tokens` are the prompt's estimated lengths under the tokenizer of models up to 4.6 and of 4.7 and
    later, where its text was there to count.
    `baseline_pico` and `claimed` are what the books of a gateway say the call would have cost as its client sent it, and
    what each lever saved of it.
    `body` is the whole Messages request as JSON, where the source has it; `prompt` are its boundaries, where it has those.
    `stabilised` are those of the prompt as `cache.stabilise` would send it, where that is another.
    """

    source: str
    position: int
    at_us: int
    model: str
    call_id: str = ""
    request_id: str = ""
    began_us: int = 0
    ended_us: int = 0
    at_is_end: bool = False
    span_us: int = 0
    calls: int = 1
    session: str = ""
    agent: str = ""
    side: bool = False
    project: str = ""
    key: str = ""
    user: str = ""
    workspace: str = ""
    platform: Platform = ""
    mode: Mode = "standard"
    geo: str = ""
    input: int = 0
    write_5m: int = 0
    write_1h: int = 0
    write_unsplit: int = 0
    read: int = 0
    output: int = 0
    thinking: int = 0
    web_searches: int = 0
    iterations: tuple[Iteration, ...] = ()
    max_tokens: int = 0
    streamed: bool = False
    stop_reason: str = ""
    stop_category: str = ""
    miss_reason: str = ""
    miss_tokens: int = 0
    reported_pico: int | None = None
    bill_pico: int | None = None
    token_type: str = ""
    context_window: str = ""
    output_is_floor: bool = False
    output_high: int = 0
    estimated: bool = False
    cache_untold: bool = False
    baseline_pico: int | None = None
    claimed: dict[str, int] = {}
    old_tokens: int = 0
    new_tokens: int = 0
    body: bytes = b""
    prompt: tuple[PromptBlock, ...] = ()
    stabilised: tuple[PromptBlock, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        """All input tokens, cached or not."""
        return self.input + self.write_5m + self.write_1h + self.write_unsplit + self.read

    def tokens(self, unsplit: Literal["5m", "1h"] = "5m") -> Tokens:
        """The buckets, with the writes of untold life taken for such of that TTL."""
        five, hour = (self.write_unsplit, 0) if unsplit == "5m" else (0, self.write_unsplit)
        return Tokens(self.input, self.write_5m + five, self.write_1h + hour, self.read, self.output, self.thinking)


class Issue(Struct, frozen=True, gc=False):
    """Something in a source that is no record. `reason` is one of a few slugs, counted by it; `where` is "file:position",
    `detail` one sentence for people. `count` such things, the first of them there. Never holds content of a prompt or an
    answer."""

    reason: str
    where: str = ""
    detail: str = ""
    count: int = 1


# The slugs that several importers use. One of its own is fine where none of these fits.
MALFORMED = "malformed"  # no JSON, cut off, or a field of the wrong type
NOT_A_CALL = "not_a_call"  # a line of another kind: a prompt, a title, a parent span
NO_USAGE = "no_usage"  # a call, but the source does not tell what it used
SYNTHETIC = "synthetic"  # text the client made itself, no call at all
API_ERROR = "api_error"  # a call that failed and is not billed
CACHED_ANSWER = "cached_answer"  # served from another tool's own response cache: no call to the provider
OTHER_PROVIDER = "other_provider"  # a call to a model that is not Claude
NOT_BILLED = "not_billed"  # canceled, expired, refused before any output
DUPLICATE = "duplicate"  # the same line again, told apart by the importer itself


def checked(count: object, name: str) -> int:
    """A token count as an int; None is 0. Raises InputError for what can be none: negative, fractional, huge, no number."""
    if count is None:
        return 0
    if isinstance(count, bool) or not isinstance(count, int | float | str):
        raise InputError(f"{name} is no count")
    try:
        value = int(float(count)) if isinstance(count, str) and not count.strip().isdigit() else int(count)
        exact = float(value) == float(count)
    except (ValueError, OverflowError):
        raise InputError(f"{name} is no count") from None
    if not exact or not 0 <= value <= COUNT_MAX:
        raise InputError(f"{name} is no count of tokens")
    return value


def deepest(depths: Sequence[Depth]) -> Depth:
    """The deepest of them; "day" of none."""
    return max(depths, key=DEPTHS.index, default="day")

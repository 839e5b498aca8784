"""What makes prompts and answers shorter, and how far an agent may go."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from thriftgate.settings.table import Table


class CompressSettings(Table):
    """`[compress]`: how prompts are written shorter. Needs the levers named in `policy.levers`."""

    drop_nulls: bool = Field(default=False, description="members of JSON objects that are null may go")
    tables: Literal["best", "csv", "toon"] = Field(
        default="best", description="what uniform arrays of JSON become; best is the shortest"
    )
    fillers: bool = Field(default=False, description="filler phrases may go")


class ToolRow(Table):
    """`[[context.tools]]`: how much of a tool's results is kept."""

    name: str = Field(min_length=1, description="the tool")
    tokens: int = Field(ge=0, description="longer results lose their middle; 0 leaves them whole")


class ContextSettings(Table):
    """`[context]`: how much of documents, tool results and history is kept. Needs the levers named in `policy.levers`."""

    select_tokens: int = Field(
        default=4_000, ge=100, description="documents of one message are cut down to so much together"
    )
    tool_result_tokens: int = Field(default=4_000, ge=100, description="a longer tool result loses its middle")
    tools: tuple[ToolRow, ...] = Field(default=(), description="the same for single tools")
    keep_messages: int = Field(
        default=6, ge=2, description="newest messages that stay as they are when older ones are left out or summed up"
    )
    summary_tokens: int = Field(default=1_500, ge=200, le=8_000, description="how long a summary is to be")
    summarisers: tuple[str, ...] = Field(
        default=("own", "claude-haiku-5-5"),
        min_length=1,
        description="models that may write summaries, the cheapest does; own is that of the conversation",
    )
    compact_by: Literal["summary", "provider"] = Field(
        default="summary",
        description="who sums up: we, and the client notices nothing, or the provider, for clients that send its compaction "
        "blocks back",
    )
    store_summaries: bool = Field(
        default=False, description="keep summaries in the ledger file, so that conversations outlive a restart with them"
    )
    clear_old_results: bool = Field(
        default=False, description="context.trim_tools may also empty old tool results, where that pays"
    )
    image_edge: int = Field(default=0, ge=0, description="longest edge of an image, in pixels; 0 leaves images as they are")


class OutputTaskRow(Table):
    """`[[output.tasks]]`: the first row that a call meets says how its answer is shaped. `task` and `key` may hold `*`."""

    name: str = Field(default="", description="what `explain` calls it; empty is its number")
    task: str = Field(default="", description="name or fingerprint of the task")
    kind: str = Field(default="", description="what the call looks like: classify, extract, summary, email, code, article …")
    key: str = Field(default="", description="the key, by the name that the reports use (key_…)")
    cap: Annotated[int, Field(ge=0)] | Literal["learned"] = Field(
        default=0,
        description="most tokens of an answer, or learned from what the task produced; 0 is none; a cut one is asked again",
    )
    stop: tuple[str, ...] = Field(
        default=(), max_length=16, description="sequences that end the answer, besides the client's"
    )
    brevity: str = Field(
        default="",
        description="word, line, sentence, paragraph, brief, or a text of your own, said at the end of the system prompt",
    )
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = Field(
        default="", description="effort at most; never raised; empty as asked"
    )
    thinking: Literal["", "off", "adaptive"] = Field(
        default="", description="off where the model may and the call names no budget; adaptive in place of a budget"
    )
    until: str = Field(default="", description="when an answer is complete: first_line, json, items:N or regex:PATTERN")
    prefill: str = Field(
        default="", description="what answers begin with; models that take no prefill are told so, or held to the schema"
    )
    schema_: str = Field(default="", alias="schema", description="JSON schema that answers follow, as JSON, or @FILE")
    strict_tools: bool = Field(default=False, description="hold tools to their schemas, where these allow it")
    repair: bool = Field(
        default=False, description="ask once more for an answer that breaks the schema; costs a second call"
    )


class OutputSettings(Table):
    """`[output]`: how answers are shaped. Needs output.… levers in `policy.levers`."""

    usual_table: bool = Field(
        default=False, description="after the rows, ready-made ones for classify, extract, summary, email, code, article"
    )
    cap_rate: float = Field(
        default=0.02,
        ge=0.0015,
        le=0.1,
        description="largest share of answers that a learned cap may cut and ask for again; choose it at twice the share "
        "that runs away",
    )
    tasks: tuple[OutputTaskRow, ...] = Field(default=(), description="what tasks ask of their answers")


class LoopSettings(Table):
    """`[guard.loops]`: what counts as a loop, in rounds of tool calls since the user last spoke; 0 switches a rule off."""

    repeats: int = Field(default=5, ge=0, description="the same calls so often in a row, with the same results or errors")
    cycles: int = Field(default=3, ge=0, description="a cycle of two to four rounds so often, alike")
    often: int = Field(
        default=6, ge=0, description="one call with the same result so often within window, with little new between"
    )
    window: int = Field(default=24, ge=2, le=500, description="rounds that often looks at")
    stalled: int = Field(default=10, ge=0, le=200, description="so many rounds in a row that brought nothing new")
    polls: int = Field(default=60, ge=0, le=500, description="so many rounds of the same calls even if their results change")


class GuardSettings(Table):
    """`[guard]`: how far an agent may go. Counted per process; 0 is no ceiling."""

    call_tokens: int = Field(default=0, ge=0, description="tokens one call may use in the worst case, prompt and answer")
    call_usd: Decimal = Field(default=Decimal(0), ge=0, description="what one call may cost in the worst case")
    conversation_tokens: int = Field(default=0, ge=0, description="tokens all calls of a conversation may use")
    conversation_usd: Decimal = Field(default=Decimal(0), ge=0, description="what a conversation may cost")
    run_tokens: int = Field(default=0, ge=0, description="tokens all calls with one thriftgate-run header may use")
    run_usd: Decimal = Field(default=Decimal(0), ge=0, description="what all calls with one thriftgate-run header may cost")
    steps: int = Field(default=0, ge=0, le=10_000, description="rounds of tool calls since the user last spoke")
    on_limit: Literal["stop", "warn"] = Field(default="stop", description="what happens above a ceiling")
    on_loop: Literal["stop", "warn"] = Field(default="warn", description="what happens in a loop")
    look_for_loops: bool = Field(default=True, description="whether loops are looked for")
    days_kept: float = Field(default=7.0, gt=0, description="what was silent for longer is forgotten")
    loops: LoopSettings = LoopSettings()

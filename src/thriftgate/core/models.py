"""The capability table: what each Claude model accepts, and the limits that decide what saves money.

The rows live in `models.toml`, each with its source and date; this module parses them and answers. A model that is not
listed gets conservative defaults with `known=False`: the strictest gates and the largest minimum prefix, so that a lever
stands aside rather than break a call. `pricing.load.load_models()` reads the shipped table.
"""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.prices import day_from_iso

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Thinking = Literal["enabled", "adaptive", "disabled", "between_tools"]
TokenizerFamily = Literal["claude3", "claude47"]
_Row = TypeVar("_Row", bound=Struct)


class Capabilities(Struct, frozen=True, forbid_unknown_fields=True):
    """One row: lengths in tokens, dates as ISO days in UTC with "" for none known. The defaults are the conservative answers
    for an unknown model; a row of the table writes every field out.

    Life cycle on Anthropic's own API (partner clouds keep some models longer): `launched` (day or month), `deprecated`,
    `retired` (from that day on a call fails; may lie ahead), `retires_not_before`.

    Sizes: `output_tokens_max_batch` is the cap under the batch-only beta `output-300k-2026-03-24`, 0 where it has none;
    `long_context_above_tokens` is the prompt length above which every rate of the call rises, 0 where prices are flat;
    `tool_prompt_tokens` are added to the input once a call names a tool, `tool_prompt_forced_tokens` instead of them under
    `tool_choice` any or tool.

    Caching: a shorter prefix than `cache_min_tokens` is silently not cached; `reads_count_as_itpm` where cache reads use up
    the input-token rate limit.

    Thinking: `thinking` lists the accepted `thinking.type`s; `thinking_always_on` when it cannot be switched off entirely;
    `thinking_off_effort_max` is the highest effort at which `disabled` (or `between_tools`) is accepted, "" for any;
    `keeps_thinking` when thinking of earlier turns stays in the prompt and is billed; `prefix_bound_thinking` when a
    replayed thinking block is valid only behind the exact prefix that produced it, so that editing the history breaks the
    conversation. `effort_default` holds where a request names no effort, "" where the model knows none.

    Gates: `prefill`, `sampling` (non-default temperature, top_p, top_k), `forced_tool_choice`, `mid_conversation_system`
    (appending `{"role": "system"}` messages), `task_budget`, `batch`, `geo` (`inference_geo`), `fast` with the beta header
    it needs and the day it ends.
    """

    id: str
    source: str
    checked: str
    aliases: tuple[str, ...] = ()
    known: bool = True
    launched: str = ""
    deprecated: str = ""
    retired: str = ""
    retires_not_before: str = ""
    context_tokens: int = 200_000
    output_tokens_max: int = 8_192
    output_tokens_max_batch: int = 0
    long_context_above_tokens: int = 0
    tokenizer: TokenizerFamily = "claude47"
    image_tier: Literal["standard", "high"] = "high"
    tool_prompt_tokens: int = 675
    tool_prompt_forced_tokens: int = 804
    cache_min_tokens: int = 4_096
    reads_count_as_itpm: bool = False
    thinking: tuple[Thinking, ...] = ()
    thinking_always_on: bool = True
    thinking_default_on: bool = True
    thinking_off_effort_max: Effort | Literal[""] = ""
    keeps_thinking: bool = True
    prefix_bound_thinking: bool = True
    effort: tuple[Effort, ...] = ()
    effort_default: Effort | Literal[""] = ""
    task_budget: bool = False
    prefill: bool = False
    sampling: bool = False
    forced_tool_choice: bool = False
    mid_conversation_system: bool = False
    batch: bool = False
    geo: bool = False
    fast: bool = False
    fast_beta: str = ""
    fast_until: str = ""

    def is_retired(self, day: int) -> bool:
        """Whether Anthropic's API refuses the model on that day (UTC days since 1970-01-01)."""
        return bool(self.retired) and day >= day_from_iso(self.retired)

    def has_fast(self, day: int) -> bool:
        """Whether `speed: "fast"` is accepted on that day (UTC days since 1970-01-01)."""
        return self.fast and (not self.fast_until or day < day_from_iso(self.fast_until))


NEVER_CACHED = 2**31
"""As a minimum prefix: no prompt is that long, so that no breakpoint counts."""
UNKNOWN = Capabilities(id="", source="conservative defaults", checked="", known=False)


class ModelTable:
    """All rows by id and alias. Raises ConfigError where a row has no source or two rows share a name."""

    __slots__ = ("_by_name", "rows")

    def __init__(self, rows: tuple[Capabilities, ...]) -> None:
        self.rows = rows
        self._by_name: dict[str, Capabilities] = {}
        for row in rows:
            _check(row)
            for name in (row.id, *row.aliases):
                if name in self._by_name:
                    raise ConfigError(f"model table: {name!r} is listed twice")
                self._by_name[name] = row

    def __getitem__(self, model: str) -> Capabilities:
        """The row of a model; conservative defaults, `known=False`, for one that is not listed."""
        row = self._by_name.get(model)
        return row if row is not None else replace(UNKNOWN, id=model)

    def __contains__(self, model: str) -> bool:
        """Whether the table lists this id or alias."""
        return model in self._by_name


def parse_models(text: str) -> ModelTable:
    """Read a table of `[[model]]` rows. Raises ConfigError naming the row and key that is wrong."""
    return ModelTable(tuple(rows_of(text, Capabilities)))


def rows_of(text: str, kind: type[_Row]) -> list[_Row]:
    """The `[[model]]` rows of a table. Raises ConfigError naming the row and key that is wrong."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"model table: {error}") from None
    rows: list[_Row] = []
    for raw in document.get("model", []):
        try:
            rows.append(msgspec.convert(raw, kind))
        except msgspec.ValidationError as error:
            raise ConfigError(f"model table, row {raw.get('id', len(rows) + 1)!r}: {error}") from None
    return rows


def _check(row: Capabilities) -> None:
    """Raises ConfigError for a row without id, source or readable dates."""
    if not (row.id and row.source and row.checked):
        raise ConfigError(f"model table, row {row.id!r}: id, source and checked must not be empty")
    for key in ("checked", "deprecated", "retired", "retires_not_before", "fast_until"):
        value = getattr(row, key)
        try:
            if value:
                date.fromisoformat(value)
        except ValueError:
            raise ConfigError(f"model table, row {row.id!r}: {key} must be a day like 2026-11-30, not {value!r}") from None

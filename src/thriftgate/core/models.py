"""The capability table: what each Claude model accepts, and the limits that decide what saves money.

The rows live in `models.toml`, each with its source and date; this module parses them and answers. A model that is not
listed gets conservative defaults with `known=False`: the strictest gates and the largest minimum prefix, so that a lever
stands aside rather than break a call.
"""

from __future__ import annotations

import tomllib
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Thinking = Literal["enabled", "adaptive", "disabled", "between_tools"]
TokenizerFamily = Literal["claude3", "claude47"]


class Capabilities(Struct, frozen=True, forbid_unknown_fields=True):
    """One row. Lengths in tokens. Sources stand in the table, per row."""

    id: str
    source: str
    checked: str
    aliases: tuple[str, ...] = ()
    known: bool = True
    retired: str = ""
    context_tokens: int = 200_000
    output_tokens_max: int = 8_192
    cache_min_tokens: int = 4_096
    tokenizer: TokenizerFamily = "claude47"
    tool_prompt_tokens: int = 804
    tool_prompt_forced_tokens: int = 804
    image_tier: Literal["standard", "high"] = "high"
    long_context_above_tokens: int = 0
    prefix_bound_thinking: bool = True
    keeps_thinking: bool = True
    prefill: bool = False
    sampling: bool = False
    thinking: tuple[Thinking, ...] = ()
    thinking_always_on: bool = True
    thinking_default_on: bool = True
    effort: tuple[Effort, ...] = ()
    effort_default: Effort | Literal[""] = ""
    forced_tool_choice: bool = False
    fast: bool = False
    geo: bool = False
    batch: bool = True


UNKNOWN = Capabilities(id="", source="conservative defaults", checked="", known=False)


class ModelTable:
    """All rows by id and alias."""

    __slots__ = ("_by_name", "rows")

    def __init__(self, rows: tuple[Capabilities, ...]) -> None:
        self.rows = rows
        self._by_name: dict[str, Capabilities] = {}
        for row in rows:
            for name in (row.id, *row.aliases):
                if name in self._by_name:
                    raise ConfigError(f"model table: {name!r} is listed twice")
                self._by_name[name] = row

    def __getitem__(self, model: str) -> Capabilities:
        """The row of a model; conservative defaults, `known=False`, for one that is not listed."""
        row = self._by_name.get(model)
        return row if row is not None else replace(UNKNOWN, id=model)


def parse_models(text: str) -> ModelTable:
    """Read a table of `[[model]]` rows. Raises ConfigError naming the row and key that is wrong."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"model table: {error}") from None
    rows: list[Capabilities] = []
    for raw in document.get("model", []):
        try:
            rows.append(msgspec.convert(raw, Capabilities))
        except msgspec.ValidationError as error:
            raise ConfigError(f"model table, row {raw.get('id', len(rows) + 1)!r}: {error}") from None
    return ModelTable(tuple(rows))

"""What may be taken out of prompts: the part of the policy that a conversation keeps to from its first call to its last.

A rewrite is a function of one message and of the recipe, never of what comes later. So each turn of a conversation is sent
as it was sent before, and stays in the cache; and thinking that is bound to its prefix stays valid.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

TableForm = Literal["best", "csv", "toon"]


class Recipe(Struct, frozen=True):
    """`rewrites` names the levers that rewrite messages, in the order in which they act. Tokens are estimates.

    `json_drop_nulls`: members of JSON objects that are null may go. `table_form`: what uniform arrays become, "best" the
    shortest. `text_fillers`: filler phrases may go. `select_tokens`: documents of one message are cut down to so much
    together. `tool_result_tokens`: a longer tool result loses its middle; `tools` says it for single tools, by name.
    `image_edge`: the longest edge an image keeps (pixels); with 0 images stay as they are, since the provider itself
    scales them down to what a model makes use of.
    """

    rewrites: tuple[str, ...] = ()
    json_drop_nulls: bool = False
    table_form: TableForm = "best"
    text_fillers: bool = False
    select_tokens: int = 4_000
    tool_result_tokens: int = 4_000
    tools: tuple[tuple[str, int], ...] = ()
    image_edge: int = 0


NO_RECIPE = Recipe()


class HistoryPolicy(Struct, frozen=True):
    """How the older part of a conversation may be left out, where `context.window`, `context.compact` or
    `context.trim_tools` is on. `keep_messages`: the newest that stay as they are. `summary_tokens`: how long a summary is
    to be. `summarisers`: who may write it, the cheapest of them does; "own" is the model of the conversation. `clears`: old
    tool results may be emptied. `by_provider`: the provider sums up, on its own side."""

    keep_messages: int = 6
    summary_tokens: int = 1_500
    summarisers: tuple[str, ...] = ("own", "claude-haiku-5-5")
    clears: bool = False
    by_provider: bool = False


NO_HISTORY = HistoryPolicy()

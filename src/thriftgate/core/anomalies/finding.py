"""What is told: a finding with its numbers, one sentence, and what to do about it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from thriftgate.core.money import PICO_PER_USD

Kind = Literal[
    "loop", "pace", "spend", "tier_switch", "long_prompt", "cache_collapse", "output_drift", "unit_cost", "errors"
]  # fmt: skip
Level = Literal["task", "key", "model", "all"]
Severity = Literal["info", "warning", "critical"]

WARNING_USD_PER_H = 5
CRITICAL_USD_PER_H = 50

MEASURES: dict[Kind, str] = {
    "loop": "calls in a row",
    "pace": "calls a minute",
    "spend": "USD an hour",
    "tier_switch": "times the usual price list",
    "long_prompt": "prompt tokens a call",
    "cache_collapse": "share of prompt tokens not read from the cache",
    "output_drift": "output tokens a call",
    "unit_cost": "USD a call",
    "errors": "share of calls that fail",
}
_SAYS: dict[Kind, str] = {
    "loop": "one run of {what} has made {after:,.0f} calls in a row without a pause; the longest before was {before:,.0f}",
    "pace": "{what} makes {after:,.1f} calls a minute where {before:,.1f} are usual at this hour",
    "spend": "{what} spends {after:,.2f} USD an hour where {before:,.2f} are usual at this hour",
    "tier_switch": "calls of {what} went to a dearer model: its list price is {after:.1f} times the one before",
    "long_prompt": "prompts of {what} grew from {before:,.0f} to {after:,.0f} tokens",
    "cache_collapse": "{after:.0%} of a prompt of {what} is no longer read from the cache, {before:.0%} before",
    "output_drift": "answers to {what} grew from {before:,.0f} to {after:,.0f} tokens",
    "unit_cost": "a call of {what} costs {after:,.4f} USD, {before:,.4f} before; model, prompt and answer do not say why",
    "errors": "{after:.0%} of the calls of {what} fail, {before:.1%} before",
}
_DO: dict[Kind, str] = {
    "loop": "stop that run, or limit the key; the lever agent.guard ends such loops by itself",
    "pace": "look for a retry loop or a runaway job; limit the key's calls a minute until it is found",
    "spend": "see which calls cost it with `thriftgate report`; give the key a budget an hour",
    "tier_switch": "if it was not meant, pin the model with route.rules; a budget on the dearest tier would have held it",
    "long_prompt": "see what was deployed: `thriftgate prune` finds what is dead in it; cache what is the same in each",
    "cache_collapse": "`thriftgate cache doctor` names the block that differs; cache.stabilise moves dates and ids back",
    "output_drift": "see whether effort or max_tokens was raised; output.effort, output.brevity and output.cap lower it",
    "unit_cost": "look at fast mode, web searches, inference geography and the long-context price with `thriftgate explain`",
    "errors": "look at the status of these calls; hold retries back until they succeed again",
}


class Finding(Struct, frozen=True):
    """Something that costs money and did not before. Empty `key` or `task`: any. `model` is the one that most of its
    calls went to, "" for the whole installation. `since_s` is when it began as far as can be told, `found_s` when it was
    found; `calls` are those seen of it so far; `before` and `after` are in the unit that `measure` names.
    `excess_pico_per_h` is the money at stake: what is spent above the usual, for errors what it costs to make the failed
    calls again. `signature` is the same for as long as it is the same finding."""

    kind: Kind
    level: Level
    key: str
    task: str
    model: str
    since_s: float
    found_s: float
    calls: int
    before: float
    after: float
    excess_pico_per_h: int

    @property
    def measure(self) -> str:
        """Unit of `before` and `after`."""
        return MEASURES[self.kind]

    @property
    def signature(self) -> str:
        """Stable: the same trouble of the same series has the same one, whenever it is found."""
        names = (self.model,) if self.level == "model" else (self.key, self.task)
        return "/".join((self.kind, self.level, *names))

    @property
    def severity(self) -> Severity:
        """By the money at stake."""
        if self.excess_pico_per_h >= CRITICAL_USD_PER_H * PICO_PER_USD:
            return "critical"
        return "warning" if self.excess_pico_per_h >= WARNING_USD_PER_H * PICO_PER_USD else "info"

    @property
    def sentence(self) -> str:
        """One, with the numbers."""
        said = _SAYS[self.kind].format(what=self._what(), before=self.before, after=self.after)
        return f"{said} (about {self.excess_pico_per_h / PICO_PER_USD:,.2f} USD an hour)"

    @property
    def action(self) -> str:
        """What to do about it."""
        return _DO[self.kind]

    def _what(self) -> str:
        if self.level == "all":
            return "the whole installation"
        if self.level == "model":
            return f"model {self.model}"
        return f"task {self.task or '(none)'} of key {self.key}" if self.level == "task" else f"key {self.key}"

"""What a row of either side is told apart by."""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.core.prices import Mode

PROMPT_KINDS = ("input", "write_5m", "write_1h", "read")
KINDS = (*PROMPT_KINDS, "output")
UNSPLIT = "write_unsplit"  # cache writes, where the report does not tell 5m from 1h
NO_MODEL_KINDS = frozenset({"web_search", "code_execution", "session_usage"})  # charges that belong to no model
EVERYWHERE = "global"


class Cell(NamedTuple):
    """Which rate of which card prices a token: `above` is the price step that its prompt had passed, 0 where it had none."""

    model: str
    mode: Mode
    geo: str
    above: int
    kind: str


class Key(NamedTuple):
    """A row. `day` counts UTC days since 1970; "" stands for what the report does not tell."""

    day: int
    model: str
    workspace: str
    mode: Mode
    geo: str
    kind: str


class Slot(NamedTuple):
    """Rows of one day, model, workspace, mode and geography: all kinds of token that the same calls cause."""

    day: int
    model: str
    workspace: str
    mode: Mode
    geo: str


def slot_of(key: Key) -> Slot:
    """The slot a row stands in."""
    return Slot(*key[:5])


class Told(NamedTuple):
    """What the report tells apart; the rest is folded together on both sides."""

    model: bool = False
    workspace: bool = False
    fast: bool = False
    geo: bool = False
    kind: bool = False
    unsplit: bool = False

    def seen(self, key: Key) -> Told:
        """With what a row of the report tells."""
        return self._replace(
            model=self.model or bool(key.model),
            fast=self.fast or key.mode == "fast",
            kind=self.kind or bool(key.kind),
            unsplit=self.unsplit or key.kind == UNSPLIT,
        )

    def key(self, key: Key) -> Key:
        """The row in which a finer one is compared."""
        workspace = key.workspace if self.workspace else ""
        if not self.model:
            return Key(key.day, "", workspace, "standard", EVERYWHERE, key.kind if self.kind else "")
        if key.kind in NO_MODEL_KINDS:
            return key._replace(workspace=workspace)
        kind = UNSPLIT if self.unsplit and key.kind.startswith("write") else key.kind
        return Key(
            key.day,
            key.model,
            workspace,
            "standard" if key.mode == "fast" and not self.fast else key.mode,
            key.geo if self.geo else EVERYWHERE,
            kind if self.kind else "",
        )

"""Experiments: which side of one a conversation is on, the same at each of its turns, drawn by a keyed digest.

`holdout` keeps a share of conversations as their clients sent them, past every lever: what they cost beside the others is
the saving itself, not an estimate of it. `share` splits the rest between two policies, with and without `levers`.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from thriftgate.core.routing.choice import Arm

GUARDS = ("count.guard",)
"""Levers that are no savings: they hold for everybody."""


class Experiment(Struct, frozen=True):
    """Shares of conversations, 0…1. `levers` are what the treatment has and the control has not."""

    holdout: float = 0.0
    share: float = 0.0
    levers: tuple[str, ...] = ()
    name: str = ""

    @property
    def on(self) -> bool:
        return self.holdout > 0 or (self.share > 0 and bool(self.levers))

    def levers_on(self, arm: Arm, levers: tuple[str, ...]) -> tuple[str, ...]:
        """What is on, on that side."""
        if arm == "holdout":
            return tuple(lever for lever in levers if lever in GUARDS)
        if arm == "control":
            return tuple(lever for lever in levers if lever not in self.levers)
        if arm == "treatment":
            return (*levers, *(lever for lever in self.levers if lever not in levers))
        return levers


def arm_of(experiment: Experiment, salt: bytes, conversation: bytes) -> tuple[Arm, float]:
    """The side, and the probability with which it was drawn."""
    if not experiment.on:
        return "", 1.0
    held = drawn(salt, b"holdout", conversation)
    if held < experiment.holdout:
        return "holdout", experiment.holdout
    rest = 1.0 - experiment.holdout
    if not (experiment.share > 0 and experiment.levers):
        return "", rest
    treated = drawn(salt, b"treatment" + experiment.name.encode(), conversation) < experiment.share
    return ("treatment", rest * experiment.share) if treated else ("control", rest * (1.0 - experiment.share))


def drawn(salt: bytes, what: bytes, conversation: bytes) -> float:
    """A number in [0, 1) that is always the same for the same conversation."""
    return int.from_bytes(sha256(salt + b"\0" + what + b"\0" + conversation).digest()[:8]) / 2**64

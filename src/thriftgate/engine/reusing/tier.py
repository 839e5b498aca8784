"""What a place is that knows earlier answers, and what it is asked.

    exact      the answer to the very same call
    …          others behind it, such as answers to calls that mean the same

A tier is asked only where its lever is on for the call, and only for calls that may be answered so at all: the room has read
the rule, the tenant and what is never reused. It never sees a call of which that could not be told.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.earlier.rules import Rule, Wish
from thriftgate.core.plan import Policy, Skip
from thriftgate.core.request import Request
from thriftgate.core.routing.choice import Route
from thriftgate.engine.call import Call


class Question(Struct, frozen=True):
    """A call that may be answered by an earlier answer. `tenant` is the digest of whose it is, `setting` that of all that
    goes with its body, `digest` that of everything. `key` is its name in the books, `task` what it is for, `route` the side
    of an experiment that it is on, `policy` what is on there."""

    call: Call
    request: Request
    rule: Rule
    wish: Wish
    key: str
    task: str
    route: Route
    policy: Policy
    tenant: bytes
    setting: bytes
    digest: bytes


class Found(Struct, frozen=True):
    """An earlier answer; `reason` is a clause for `explain` that says what it answered, `lever` who has found it."""

    answer: KeptAnswer
    reason: str
    lever: str


class Tier(Protocol):
    """One way to find an earlier answer. What it raises is logged, and the call goes on: savings fail open."""

    @property
    def lever(self) -> str:
        """The lever that switches it on, and the account that its savings are booked on."""

    async def look(self, question: Question, now_s: float) -> Found | Skip:
        """An answer for this call, or why there is none. The client waits for it."""

    async def heard(self, question: Question, answer: KeptAnswer) -> None:
        """The call was made after all, and this is its answer: one that may be given again. Nobody waits for this but calls
        that are the very same."""

    async def unfit(self, question: Question) -> None:
        """The call was made after all, and its answer is one that may not be given again."""

    async def forget(self, tenant: bytes) -> None:
        """A tenant has lost its access: its answers are to go."""

    async def close(self) -> None: ...

"""The lever contract over every lever there is, and over levers that break it: each check must notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.contracts import check_lever
from tests.contracts.check_lever import CHECKS, Check
from thriftgate.core.cache import Breakpoint
from thriftgate.core.errors import InputError
from thriftgate.core.levers import LEVERS
from thriftgate.core.levers.batch_defer import BatchDefer
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.plan import NOTHING_ELSE, Draft, Lever, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit
from thriftgate.core.state import State
from thriftgate.core.usage import Usage

IDS = (
    "reuse.exact",
    "reuse.semantic",
    *("route.rules", "route.learned", "route.cascade", "cache.breakpoints", "batch.defer"),
    *("compress.json", "compress.tables", "compress.markup", "compress.text", "compress.examples"),
    *("context.select", "context.images", "context.trim_tools", "context.window", "context.compact"),
    *(
        "output.schema",
        "output.prefill",
        "output.brevity",
        "output.effort",
        "output.stop",
        "output.early_stop",
        "output.cap",
    ),
    *("agent.guard", "count.guard"),
)
"""Accounts of the ledger: this list may grow, and nothing in it is ever renamed. In the order in which levers act."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.id)
def test_contract(lever: Lever, check: Check) -> None:
    check(lever)


def test_ids_are_unique_and_stay() -> None:
    assert tuple(lever.id for lever in LEVERS) == IDS
    assert len(set(IDS)) == len(IDS)


# --- the checks look ------------------------------------------------------------------------------------------------------


class Bad(CacheBreakpoints):
    """A lever that breaks the contract in one place."""

    __module__ = __name__

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        outcome = super().propose(request, draft, state, policy)
        return self.spoilt(request, outcome) if isinstance(outcome, Proposal) else outcome

    def spoilt(self, request: Request, outcome: Proposal) -> Proposal | Skip | Refuse:
        return outcome


class Nameless(Bad):
    id = "Cache Breakpoints"


class Silent(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, reason="")


class Fickle(Bad):
    calls = 0

    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        Fickle.calls += 1
        return replace(outcome, reason=f"call {Fickle.calls}")


class Idle(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Skip:
        return Skip("never")


class Lost(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, edits=(Edit(("nowhere", "x"), b"1"),))


class Censor(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, edits=(Edit(("messages", 0, "content"), b'"hi"'),))


class Hasty(Bad):
    """Into a batch, whatever the caller said."""

    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, draft=replace(outcome.draft, terms=replace(outcome.draft.terms, mode="batch")))


class Mute(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, edits=(*outcome.edits, Edit(("stream",), None)))


class Flowing(BatchDefer):
    """Streams in a batch."""

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        outcome = super().propose(request, draft, state, policy)
        return replace(outcome, edits=()) if isinstance(outcome, Proposal) else outcome


class Forgetful(BatchDefer):
    """Its saving is never booked."""

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, terms


class Boaster(Bad):
    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        return replace(outcome, draft=replace(outcome.draft, breakpoints=()))


class Late(Bad):
    """Five minutes first, an hour behind it."""

    def spoilt(self, request: Request, outcome: Proposal) -> Proposal:
        value = b'{"type":"ephemeral","ttl":"1h"}'
        last = outcome.edits[-1]
        if last.path[-1] != "cache_control" or len(outcome.edits) < 2:
            return outcome
        marks = (*outcome.draft.breakpoints[:-1], Breakpoint(outcome.draft.breakpoints[-1].at, "1h"))
        edits = (*outcome.edits[:-1], Edit(last.path, value))
        return replace(outcome, draft=replace(outcome.draft, breakpoints=marks), edits=edits)


class Unpaid(Bad):
    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return replace(usage, total=replace(usage.total, input=0)), terms


BAD: list[tuple[type[CacheBreakpoints] | type[BatchDefer], Callable[[Lever], None]]] = [
    (Nameless, check_lever.its_id_is_an_account_of_the_ledger),
    (Bad, check_lever.it_says_what_it_is),
    (Fickle, check_lever.it_is_pure),
    (Silent, check_lever.it_gives_its_reasons),
    (Idle, check_lever.it_acts_on_some_requests_and_stands_aside_on_others),
    (Lost, check_lever.its_edits_can_be_made),
    (Censor, check_lever.if_safe_the_model_sees_the_same),
    (Hasty, check_lever.if_safe_the_model_sees_the_same),
    (Mute, check_lever.if_safe_the_model_sees_the_same),
    (Flowing, check_lever.its_draft_is_what_it_sends),
    (Forgetful, check_lever.it_can_be_undone_for_any_usage),
    (Boaster, check_lever.its_draft_is_what_it_sends),
    (Late, check_lever.its_breakpoints_are_legal),
    (Unpaid, check_lever.it_can_be_undone_for_any_usage),
]


@pytest.mark.parametrize(("kind", "check"), BAD, ids=[kind.__name__ for kind, _ in BAD])
def test_a_lever_that_breaks_it_is_noticed(kind: type[CacheBreakpoints] | type[BatchDefer], check: Check) -> None:
    with pytest.raises((AssertionError, InputError)):
        check(kind())


def test_every_check_has_a_lever_that_breaks_it() -> None:
    assert {check for _, check in BAD} == set(CHECKS)

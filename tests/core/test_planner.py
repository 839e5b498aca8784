"""`make_plan`: deterministic, fails open on savings and closed on money, and never sends a byte that no lever asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tests.core.planning import LONG, body_of, request_of, state_of
from thriftgate.core.cache import Breakpoint
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.levers import LEVERS
from thriftgate.core.plan import NOTHING_ELSE, Decision, Draft, Plan, Policy, Proposal, Refuse, Skip, Without
from thriftgate.core.planner import make_plan
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit
from thriftgate.core.state import State
from thriftgate.core.usage import Usage

EVERYTHING = Policy()
NOTHING = Policy(levers=())
MARK = {"type": "ephemeral"}


class Acting(Struct, frozen=True):
    """A lever that does what a test says."""

    id: str
    act: Callable[[Request, Draft], Proposal | Skip | Refuse]
    safe: bool = False

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Proposal | Skip | Refuse:
        return self.act(request, draft)

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return usage, terms


def editing(lever_id: str, *edits: Edit, warns: bool = False) -> Acting:
    return Acting(lever_id, lambda _request, draft: Proposal(f"did {lever_id}", draft, edits, warns=warns))


def plan_of(request: Request, *levers: Acting, state: State | None = None, **policy: Any) -> Plan:
    names = tuple(lever.id for lever in levers)
    return make_plan(request, state or state_of(request), Policy(names, **policy), levers)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(one.lever, one.decision) for one in plan.decisions]


# --- the plan of the levers there are -------------------------------------------------------------------------------------

BODIES: list[tuple[str, dict[str, Any]]] = [
    ("short", body_of()),
    ("long system", body_of(system=LONG)),
    ("tools only", body_of(tools=[{"name": "t", "description": LONG, "input_schema": {}}], messages=[])),
    ("empty messages", body_of(messages=[])),
    ("no answer wanted", body_of(max_tokens=0, system=LONG)),
    ("huge", body_of(system=LONG * 50, messages=[{"role": "user", "content": LONG * 100}])),
    ("marked", body_of(system=[{"type": "text", "text": LONG, "cache_control": MARK}])),
    ("automatic", body_of(system=LONG, cache_control=MARK)),
    ("unknown members", body_of(system=LONG, of_tomorrow={"a": [1, 2]}, metadata=None)),
    ("unknown blocks", body_of(messages=[{"role": "user", "content": [{"type": "hologram", "x": LONG}]}])),
]
POLICIES = [EVERYTHING, NOTHING, Policy(cost_limit_pico=1), Policy(cost_limit_pico=10**15, on_cost_limit="warn")]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_plan_is_deterministic_and_complete(body: dict[str, Any], policy: Policy) -> None:
    request = request_of(body)
    one, two = (make_plan(request_of(body), state_of(request), policy) for _ in range(2))
    assert one == two
    assert [decision.lever for decision in one.decisions] == [lever.id for lever in LEVERS]
    assert one.baseline.pico - one.forecast.pico == sum(decision.forecast_pico for decision in one.decisions)
    assert all(decision.reason for decision in one.decisions)
    assert json.loads(one.body)["messages"] == body["messages"] or one.applied()


@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
def test_with_everything_off_the_same_bytes_leave(body: dict[str, Any]) -> None:
    request = request_of(body)
    plan = make_plan(request, state_of(request), NOTHING)
    assert plan.body is request.body
    assert {decision.reason for decision in plan.decisions} == {"off in the policy"}
    assert plan.baseline == plan.forecast


def test_the_baseline_has_the_clients_own_breakpoints() -> None:
    plan = make_plan(marked := request_of(BODIES[6][1]), state_of(marked), EVERYTHING)
    assert plan.body is marked.body
    assert plan.breakpoints == (Breakpoint(0, "5m"),)
    assert plan.baseline.tokens.write_5m > 1_024
    automatic = request_of(BODIES[7][1])
    assert make_plan(automatic, state_of(automatic), NOTHING).breakpoints == (Breakpoint(1, "5m"),)


def test_breakpoints_spelled_with_escapes_are_still_the_clients_own() -> None:
    body = json.dumps(BODIES[6][1]).replace("cache_control", r"cache\u005fcontrol").encode()
    request = request_of(body)
    assert make_plan(request, state_of(request), EVERYTHING).body is body


def test_terms_are_those_of_the_request() -> None:
    request = request_of(speed="fast", inference_geo="us")
    terms = make_plan(request, state_of(request), NOTHING).terms
    assert (terms.model, terms.mode, terms.geo) == ("claude-opus-4-8", "fast", "us")


def test_a_call_without_a_price_is_refused() -> None:
    request = request_of(model="claude-of-tomorrow")
    with pytest.raises(UnknownPrice, match="claude-of-tomorrow"):
        make_plan(request, state_of(request), EVERYTHING)


# --- levers that misbehave ------------------------------------------------------------------------------------------------


def raising(error: Exception) -> Callable[[Request, Draft], Proposal]:
    def act(_request: Request, _draft: Draft) -> Proposal:
        raise error

    return act


def shifting(**changes: Any) -> Callable[[Request, Draft], Proposal]:
    return lambda _request, draft: Proposal("shifted", replace(draft, **changes))


BROKEN: list[tuple[Callable[[Request, Draft], Proposal], str]] = [
    (raising(ValueError("no idea")), "ValueError: no idea"),
    (raising(InputError("odd")), "InputError: odd"),
    (raising(RecursionError()), "RecursionError"),
    (raising(AssertionError("never")), "AssertionError: never"),
    (shifting(breakpoints=(Breakpoint(99, "5m"),)), "IndexError"),
    (shifting(terms=Terms("claude-of-tomorrow", 20_700)), "UnknownPrice"),
]


@pytest.mark.parametrize(("act", "words"), BROKEN, ids=[row[1] for row in BROKEN])
def test_a_lever_that_fails_is_skipped_and_the_original_bytes_leave(act: Callable[..., Proposal], words: str) -> None:
    request = request_of(system=LONG)
    plan = plan_of(request, Acting("broken", act))
    assert plan.body is request.body
    assert told(plan) == [("broken", "skipped")]
    assert words in plan.decisions[0].reason
    assert plan.forecast == plan.baseline


def test_the_levers_beside_it_go_on() -> None:
    request = request_of()
    plan = plan_of(request, Acting("broken", raising(KeyError("x"))), editing("fine", Edit(("top_k",), b"5")))
    assert told(plan) == [("broken", "skipped"), ("fine", "applied")]
    assert plan.body == request.body[:-1] + b',"top_k":5}'


UNEDITABLE: list[bytes] = [
    b'{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"a","content":"b"}]}',
    b'{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","role":"user","content":"b"}]}',
]


@pytest.mark.parametrize("body", UNEDITABLE)
def test_json_that_cannot_be_edited_leaves_as_it_came(body: bytes) -> None:
    request = request_of(body)
    plan = plan_of(request, editing("marks", Edit(("messages", 0, "cache_control"), b"{}")))
    assert plan.body is body
    assert told(plan) == [("marks", "skipped")]
    assert "stands twice" in plan.decisions[0].reason
    assert plan.forecast == plan.baseline


def test_keys_that_stand_twice_in_a_long_prompt() -> None:
    """The real lever, on a real size."""
    text = LONG.encode()
    body = b'{"model":"claude-opus-4-8","max_tokens":9,"system":[{"type":"text","text":"%b","text":"%b"}],"messages":[]}'
    request = request_of(body % (text, text))
    plan = make_plan(request, state_of(request), EVERYTHING)
    assert plan.body is request.body
    assert ("cache.breakpoints", "skipped") in told(plan)
    assert plan.breakpoints == ()


CLASHES: list[list[Acting]] = [
    [editing("one", Edit(("max_tokens",), b"1")), editing("two", Edit(("max_tokens",), b"2"))],
    [editing("one", Edit(("new",), b"1")), editing("two", Edit(("new",), b"2"), warns=True)],
    [editing("one", Edit(("messages",), b"[]")), editing("two", Edit(("messages", 0, "x"), b"2"))],
    [editing("one", Edit(("nowhere", "x"), b"1"))],
]


@pytest.mark.parametrize("levers", CLASHES)
def test_levers_that_get_in_each_others_way_are_all_skipped(levers: list[Acting]) -> None:
    request = request_of()
    plan = plan_of(request, *levers)
    assert plan.body is request.body
    assert told(plan) == [(lever.id, "skipped") for lever in levers]


def test_a_lever_that_acts_once_the_others_are_gone_is_heard() -> None:
    """What stays planned is what leaves."""

    def act(_request: Request, draft: Draft) -> Proposal | Skip:
        return Skip("later") if draft.max_tokens == 1 else Proposal("now", draft, (Edit(("top_k",), b"5"),))

    clash = Acting("clash", lambda _r, draft: Proposal("", replace(draft, max_tokens=1), (Edit(("no", "x"), b"1"),)))
    request = request_of()
    plan = plan_of(request, clash, Acting("other", act))
    assert told(plan) == [("clash", "skipped"), ("other", "applied")]
    assert plan.body == request.body[:-1] + b',"top_k":5}'


# --- refusing and warning -------------------------------------------------------------------------------------------------


def test_the_first_refusal_is_told_and_all_are_written_down() -> None:
    first, second = (Acting(name, lambda _r, _d, name=name: Refuse(f"not {name}")) for name in ("this", "that"))  # type: ignore[misc]
    plan = plan_of(request_of(), first, second)
    assert plan.refusal == "not this"
    assert told(plan) == [("this", "refused"), ("that", "refused")]


def test_a_warning_changes_nothing() -> None:
    request = request_of()
    plan = plan_of(request, editing("watch", warns=True))
    assert plan.body is request.body
    assert told(plan) == [("watch", "warned")]
    assert (plan.applied(), plan.refusal) == ((), None)


# --- laws -----------------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from((b"1", b'"x"', b"null", b"{}"))
EDITS = st.lists(st.builds(lambda key, value: Edit((key,), value), st.sampled_from("abc"), VALUES), max_size=2)
OUTCOMES = st.one_of(
    st.builds(lambda edits: lambda _r, draft: Proposal("p", draft, tuple(edits)), EDITS),
    st.just(lambda _r, _d: Skip("s")),
    st.just(lambda _r, _d: Refuse("r")),
    st.just(raising(ValueError("v"))),
    st.just(shifting(max_tokens=7)),
)


@given(st.lists(OUTCOMES, max_size=5))
def test_whatever_levers_do_the_plan_is_sound(acts: list[Callable[[Request, Draft], Proposal]]) -> None:
    request = request_of()
    levers = [Acting(f"lever.{at}", act) for at, act in enumerate(acts)]
    plan = plan_of(request, *levers)
    assert sorted(one.lever for one in plan.decisions) == [lever.id for lever in levers]
    assert plan.baseline.pico - plan.forecast.pico == sum(one.forecast_pico for one in plan.decisions)
    assert (plan.refusal is None) == all(one.decision != "refused" for one in plan.decisions)
    before, after = (msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) for raw in (request.body, plan.body))
    assert {key: bytes(after[key]) for key in before} == {key: bytes(raw) for key, raw in before.items()}
    if not any(one.decision == "applied" for one in plan.decisions):
        assert plan.body is request.body


def test_a_saving_is_no_reason_to_refuse() -> None:
    """A write costs a quarter more than plain input: where that alone is over the limit, the call goes out unmarked."""
    request = request_of(system=LONG)
    policy = Policy(("cache.breakpoints", "count.guard"))
    plain, marked = (make_plan(request, state_of(request), Policy(levers)) for levers in (("count.guard",), policy.levers))
    assert marked.forecast.worst_pico > plain.forecast.worst_pico
    between = msgspec.structs.replace(policy, cost_limit_pico=plain.forecast.worst_pico)
    plan = make_plan(request, state_of(request), between)
    assert plan.refusal is None
    assert plan.body is request.body
    assert plan.decisions[0] == Decision("cache.breakpoints", "skipped", "it would take this call over its limit")
    tighter = msgspec.structs.replace(policy, cost_limit_pico=plain.forecast.worst_pico - 1)
    assert make_plan(request, state_of(request), tighter).refusal is not None


def test_the_plan_remembers_what_the_client_marked() -> None:
    own = {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]}
    for members, marks in (({}, ()), (own, (Breakpoint(0, "5m"),))):
        request = request_of(body_of(**members))
        assert make_plan(request, state_of(request), Policy()).client == marks

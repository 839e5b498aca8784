"""The router around a decision: names of tasks, what tries have shown, experiments, and what is on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.planning import BOOK, MODELS, request_of
from tests.core.routing.artefacts import artefact_of, cascade_of
from thriftgate.core.plan import Policy
from thriftgate.core.routing.choice import Route
from thriftgate.core.routing.experiment import Experiment
from thriftgate.core.routing.rules import Rule
from thriftgate.core.routing.task import fingerprint
from thriftgate.engine.routes import NO_ROUTING, RoutingTable, TaskName
from thriftgate.engine.routing import Router
from thriftgate.engine.snapshot import Knowledge

RULES = (Rule("r", "claude-haiku-5-5"),)


def router_of(**members: Any) -> Router:
    return Router(RoutingTable(**members), Knowledge(BOOK, MODELS), b"salt")


# --- tasks --------------------------------------------------------------------------------------------------------------


def test_a_task_is_what_the_caller_says() -> None:
    router = router_of(tasks=(TaskName("mail", system=re.compile("letters")),))
    request = request_of(system="You sort letters.")
    assert router.task_of(request, "k", ((b"thriftgate-task", b"invoices"),)) == "invoices"
    assert router.task_of(request, "k", ((b"thriftgate-task", b"x" * 500),)) == "x" * 100
    assert router.task_of(request, "k", ()) == "mail"


def test_metadata_may_name_a_task() -> None:
    router = router_of(tasks=(TaskName("mail", metadata=re.compile("mailer-")),))
    told = request_of(system="You sort letters.", metadata={"user_id": "mailer-17"})
    assert router.task_of(told, "k", ()) == "mail"
    assert router.task_of(request_of(system="You sort letters."), "k", ()) != "mail"


def test_else_a_row_of_the_table_else_its_fingerprint() -> None:
    request = request_of(system="You sort letters.")
    told = fingerprint(request)
    rows = (TaskName("never", key="other"), TaskName("mail", fingerprint=told, key="k"), TaskName("late", key="k"))
    router = router_of(tasks=rows)
    assert router.task_of(request, "k", ()) == "mail"
    assert router.task_of(request_of(system="x"), "k", ()) == "late"
    assert router.task_of(request, "somebody", ()) == told


def test_fingerprints_are_remembered_by_what_they_are_made_of() -> None:
    router = router_of()
    tool = {"name": "look", "input_schema": {"type": "object"}}
    for members in ({"system": "a"}, {"system": "b"}, {"tools": [tool]}, {"output_config": {"format": {"a": 1}}}, {}):
        for text in ("one two three four five", "six seven eight nine ten"):
            request = request_of(**members, messages=[{"role": "user", "content": text}])
            assert router.task_of(request, "k", ()) == router.task_of(request, "k", ()) == fingerprint(request)


# --- what is on -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "levers", "active"),
    [
        ({}, ("route.rules", "route.learned", "route.cascade"), False),
        ({"rules": RULES}, ("route.rules",), True),
        ({"rules": RULES}, ("route.learned", "cache.breakpoints"), False),
        ({"artefacts": (artefact_of(),)}, ("route.learned",), True),
        ({"artefacts": (artefact_of(cascade=cascade_of(0.9)),)}, ("route.cascade",), True),
        ({"artefacts": (artefact_of(),)}, ("route.rules",), False),
    ],
)
def test_whether_anything_is_to_be_done(members: dict[str, Any], levers: tuple[str, ...], active: bool) -> None:
    assert router_of(**members).active(Policy(levers)) is active


def test_artefacts_are_found_by_any_name_of_their_model() -> None:
    artefact = artefact_of(strong="claude-haiku-4-5@high", cheap="claude-haiku-5-5")
    router = router_of(artefacts=(artefact,))
    assert router.artefact_for("claude-haiku-4-5") is artefact
    assert router.artefact_for("claude-haiku-4-5-20251001") is artefact
    assert router.artefact_for("claude-opus-4-8") is None
    assert router.certified("cal-1") is artefact
    assert router.certified("cal-2") is None


def test_no_routing_is_none_at_all() -> None:
    assert not NO_ROUTING.observe
    assert not Router(NO_ROUTING, Knowledge(BOOK, MODELS), b"").active(Policy(("route.rules",)))


# --- experiments --------------------------------------------------------------------------------------------------------


def test_without_an_experiment_everything_stays() -> None:
    policy = Policy(("cache.breakpoints",))
    enrolled, route = router_of().enrol(request_of(), "k", policy)
    assert enrolled is policy
    assert route == Route()


def test_a_conversation_that_is_held_out_keeps_guards_alone() -> None:
    router = router_of(experiment=Experiment(holdout=0.999_999))
    policy = replace(Policy(("cache.breakpoints", "count.guard")), stabilise=("dates",))
    enrolled, route = router.enrol(request_of(), "k", policy)
    assert (enrolled.levers, enrolled.stabilise) == (("count.guard",), ())
    assert (route.arm, route.propensity) == ("holdout", 0.999_999)
    assert len(route.conversation) == 16


def test_a_lever_under_test_is_on_in_the_treatment() -> None:
    router = router_of(experiment=Experiment(share=1.0, levers=("route.rules",)))
    enrolled, route = router.enrol(request_of(), "k", Policy(("count.guard",)))
    assert enrolled.levers == ("count.guard", "route.rules")
    assert (route.arm, route.propensity) == ("treatment", 1.0)


def test_the_share_that_is_certified_to_go_is_drawn_once_a_conversation() -> None:
    artefact = artefact_of(share=0.3)
    router = router_of(artefacts=(artefact,))
    requests = [request_of(messages=[{"role": "user", "content": f"{number}"}]) for number in range(2_000)]
    drawn = [router.by_lot(artefact, request, "k") for request in requests]
    assert drawn == [router.by_lot(artefact, request, "k") for request in requests]
    assert 0.26 < sum(drawn) / len(drawn) < 0.34
    assert all(router.by_lot(replace(artefact, share=1.0), request, "k") for request in requests[:50])

"""What routing goes by: what tries have shown, which artefact is for which model, who is drawn."""

from __future__ import annotations

from msgspec.structs import replace

from tests.core.planning import BOOK, MODELS, request_of
from tests.core.routing.artefacts import STRONG, artefact_of, cascade_of
from thriftgate.core.routing.switching import Move, cascade_pays
from thriftgate.engine.routes import TRIES_FIRST, TRY_AGAIN, Routes, RoutingTable
from thriftgate.engine.snapshot import Knowledge


def router_of() -> Routes:
    return Routes(RoutingTable(artefacts=(artefact_of(),)), Knowledge(BOOK, MODELS), b"salt")


CASCADE = cascade_of(0.5, verifier="claude-haiku-4-5")


def weigh(judging_pico: int, kept: float, tried: int) -> Move:
    """A try costs 10 and spares 100."""
    return cascade_pays(10, judging_pico, 100, kept, tried=tried)


def test_tries_are_made_until_they_have_shown_not_to_pay() -> None:
    router = router_of()
    assert not router.worth_a_try("t", CASCADE, weigh)
    for _ in range(TRIES_FIRST):
        assert not router.worth_a_try("t", CASCADE, weigh)
        router.tried("t", kept=False)
    assert [bool(router.worth_a_try("t", CASCADE, weigh)) for _ in range(2 * TRY_AGAIN)].count(False) == 2
    assert not router.worth_a_try("other", CASCADE, weigh)


def test_what_judging_costs_counts() -> None:
    router = router_of()
    for _ in range(40):
        router.tried("t", kept=True)
    assert not router.worth_a_try("t", CASCADE, weigh)
    router.judged(200)
    assert "judgement" in router.worth_a_try("t", CASCADE, weigh)


def test_a_task_that_became_easy_is_tried_again() -> None:
    router = router_of()
    for _ in range(50):
        router.tried("t", kept=False)
    assert router.worth_a_try("t", CASCADE, weigh)
    for _ in range(25):
        router.tried("t", kept=True)
    assert not router.worth_a_try("t", CASCADE, weigh)


def test_artefacts_are_found_by_model_and_by_name() -> None:
    routes = router_of()
    made = routes.artefact_for(STRONG)
    assert made is not None
    assert routes.certified(made.id) == made
    assert routes.artefact_for("claude-haiku-4-5") is None
    assert routes.certified("cal-none") is None


def test_a_share_is_drawn_by_conversation() -> None:
    """The same conversation always falls on the same side, and about as many as certified may go."""
    routes, half = router_of(), replace(artefact_of(), share=0.5)
    requests = [request_of(system=f"You sort letters of kind {at} well.") for at in range(400)]
    drawn = [routes.by_lot(half, one, f"key_{at}") for at, one in enumerate(requests)]
    assert drawn == [routes.by_lot(half, one, f"key_{at}") for at, one in enumerate(requests)]
    assert 150 < sum(drawn) < 250
    assert all(routes.by_lot(artefact_of(), one, "key") for one in requests[:20])

"""A whole run: search, confirm on cases that the search has not seen, and say what is not shown."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.quality.pruning.pruning import LIVING, PROMPT, means_on, ticket_cases
from thriftgate.core.errors import InputError
from thriftgate.quality.pruning.prune import Forecast, Pruned, Pruner, Wish, check_wish, split
from thriftgate.quality.pruning.trials import Means


def wish(folder: Path, count: int = 60, **members: Any) -> Wish:
    values: dict[str, Any] = {"prompt": PROMPT, "cases": ticket_cases(folder, count), "margin": 0.1}
    return Wish(**values | members)


async def pruned(means: Means, wanted: Wish) -> Pruned:
    done = await Pruner(wanted, means, Random(1)).run(lambda _: True)
    assert isinstance(done, Pruned)
    return done


async def test_a_shorter_prompt_is_confirmed_on_cases_of_its_own(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, provider):
        done = await pruned(means, wish(tmp_path))
        again = await pruned(means, wish(tmp_path))
        assert len(provider.bill.calls) == done.calls
    assert (done.state, done.why, done.after) == ("confirmed", "", f"# Desk\n\n## Task\n\n{LIVING}\n")
    assert done.confirmation is not None
    assert done.confirmation.before == done.confirmation.after > 0.8
    assert (done.forecast.search, done.forecast.heldout, done.clusters, done.forecast.least) == (24, 36, 36, 29)
    assert (again.calls, again.after, again.confirmation) == (0, done.after, done.confirmation)


async def test_nothing_is_asked_where_it_may_not_start(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, provider):
        found = await Pruner(wish(tmp_path), means, Random(1)).run(lambda _: False)
        assert isinstance(found, Forecast)
        assert found.reserve_pico > found.base_pico > 0
        assert provider.bill.calls == []


async def test_too_few_cases_are_told_with_how_many_it_takes(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, _):
        done = await pruned(means, wish(tmp_path, margin=0.02))
    assert done.state == "unconfirmed"
    assert done.after != PROMPT
    assert done.confirmation is not None
    assert (done.clusters, done.confirmation.needed) == (40, 149)
    assert "about 149 like these would" in done.why


async def test_a_prompt_without_dead_parts_stays(tmp_path: Path) -> None:
    async with means_on(tmp_path) as (means, _):
        done = await pruned(means, wish(tmp_path, prompt=LIVING))
    assert (done.state, done.why, done.after, done.confirmation) == ("nothing to prune", "", LIVING, None)


async def test_a_search_that_was_misled_is_not_believed(tmp_path: Path) -> None:
    """A sentence that only the held-out cases need."""
    wanted = wish(tmp_path)
    _, heldout = split(wanted)
    mark = "\n[[sim: needs=Be brief]]"
    ids = {one.id for one in heldout[:12]}
    cases = [
        replace(one, request={**one.request, "messages": [{"role": "user", "content": one.question + mark}]})
        if one.id in ids
        else one
        for one in wanted.cases
    ]
    async with means_on(tmp_path) as (means, _):
        done = await pruned(means, replace(wanted, cases=cases))
    assert "Be brief" not in done.after
    assert done.state == "unconfirmed"
    assert "more of them would not confirm" in done.why


async def test_the_held_out_cases_come_first_where_money_is_short(tmp_path: Path) -> None:
    wanted = wish(tmp_path)
    async with means_on(tmp_path / "all") as (means, _):
        forecast = await Pruner(wanted, means, Random(1)).run(lambda _: False)
    assert isinstance(forecast, Forecast)
    budget = (forecast.base_pico + forecast.reserve_pico) * 3 // 2
    async with means_on(tmp_path / "short", budget_pico=budget) as (means, _):
        done = await pruned(means, wanted)
        assert means.sender.paid_pico <= budget
    assert done.found.stopped
    assert done.state in ("confirmed", "unconfirmed")
    assert (done.confirmation is not None) == (done.after != PROMPT)


def test_clusters_are_not_torn(tmp_path: Path) -> None:
    cases = [replace(one, cluster=f"k{at // 4}") for at, one in enumerate(ticket_cases(tmp_path, 80))]
    search, heldout = split(wish(tmp_path, cases=cases))
    assert len(search) + len(heldout) == 80
    assert not {one.cluster for one in search} & {one.cluster for one in heldout}
    assert (search, heldout) == split(wish(tmp_path, cases=cases))
    assert split(wish(tmp_path, cases=cases, seed=1)) != (search, heldout)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"margin": 0.0}, "--margin"),
        ({"margin": 2.0}, "--margin"),
        ({"confidence": 1.0}, "--confidence"),
        ({"cases": []}, "at least 2 cases"),
    ],
)
def test_what_cannot_be_pruned(tmp_path: Path, members: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_wish(wish(tmp_path, 4, **members))

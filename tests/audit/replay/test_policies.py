"""The policies themselves: names, and settings that a gateway takes."""

from __future__ import annotations

import tomllib

from msgspec.structs import replace

from thriftgate.audit.placing.clients import CLIENTS
from thriftgate.audit.prompts import REWRITES
from thriftgate.audit.replay.policies import (
    ALL,
    CACHE,
    CONFIG,
    KEEPALIVE,
    OURS,
    PINGS,
    SAFE,
    SAFE_LEVERS,
    Candidate,
    client_candidates,
    planner_candidates,
)
from thriftgate.core.levers import LEVERS
from thriftgate.core.plan import Policy
from thriftgate.core.stability.rewrite import LEVER as STABILISE
from thriftgate.engine.build import bounds_of, policy_of
from thriftgate.settings import Settings


def test_names_are_told_apart() -> None:
    every = [*planner_candidates(Policy()), *client_candidates()]
    assert len({one.name for one in every}) == len(every)
    assert all((one.policy is None) == bool(one.client) for one in every if one.family != "bound")


def test_the_settings_written_down_are_the_policy_that_was_replayed() -> None:
    written = [one for one in planner_candidates(None) if one.config]
    modes = {f"{CACHE}:{mode}" for mode in ("ttl-only", "add", "full")}
    assert {one.name for one in written} == {ALL, KEEPALIVE, STABILISE, *modes}
    for one in written:
        assert one.policy is not None
        settings = Settings.model_validate(tomllib.loads(one.config))
        policy = policy_of(settings)
        assert (bounds_of(settings) if settings.keepalive.on else None) == one.pings
        assert policy.stabilise == one.policy.stabilise
        assert policy.cache_mode == one.policy.cache_mode
        assert set(one.policy.levers) <= set(policy.levers)


def test_safe_levers_are_those_that_say_so() -> None:
    safe = next(one for one in planner_candidates(None) if one.name == SAFE)
    assert safe.policy is not None
    assert safe.policy.levers == SAFE_LEVERS == tuple(lever.id for lever in LEVERS if lever.safe)
    assert CACHE in SAFE_LEVERS
    everything = next(one for one in planner_candidates(None) if one.name == ALL)
    assert everything.policy is not None
    assert everything.policy.levers == SAFE_LEVERS
    assert all(f'"{lever}"' in everything.config for lever in SAFE_LEVERS)
    assert "route." not in everything.config


def test_the_users_own_settings_come_along() -> None:
    mine = Policy(levers=())
    found = {one.name: one for one in planner_candidates(mine)}
    assert found[CONFIG].policy is mine
    assert CONFIG not in {one.name for one in planner_candidates(None)}


def test_every_placement_rule_but_none_is_a_candidate() -> None:
    names = {one.name for one in client_candidates()}
    assert {row.name for row in CLIENTS} - {"none"} <= names
    assert {row.name for row in CLIENTS} >= OURS


def test_a_lever_is_held_against_the_same_without_it() -> None:
    """But for what it adds, both do the same."""
    found = {one.name: one for one in planner_candidates(None)}
    assert {one.name: one.adds for one in found.values() if one.beside} == {
        KEEPALIVE: KEEPALIVE, ALL: KEEPALIVE, STABILISE: STABILISE,
    }  # fmt: skip
    for one in found.values():
        if one.beside:
            assert one.policy is not None
            without = replace(one, pings=None, policy=replace(one.policy, stabilise=()))
            assert without.acts_as == found[one.beside].acts_as != one.acts_as
    assert [one.name for one in found.values() if not one.safe] == [STABILISE]


def test_rewritten_prompts_are_those_of_all_rewrites() -> None:
    def rewrites(*names: str) -> bool:
        return Candidate("x", "config", "", Policy(stabilise=names)).rewrites

    assert rewrites(*REWRITES)
    assert rewrites(*REWRITES, "single_turn")
    assert not rewrites(*REWRITES[1:])
    assert not Candidate("x", "client", "", client="auto-5m").rewrites


def test_a_part_of_the_calls_has_that_part_of_the_caps() -> None:
    pinging = next(one for one in planner_candidates(None) if one.name == KEEPALIVE)
    usd = 10**12
    assert pinging.over(1.0, every_key=True) is pinging
    assert pinging.over(0.5, every_key=False).pings == replace(PINGS, day_pico=5 * usd)
    assert pinging.over(0.5, every_key=True).pings == replace(PINGS, day_pico=5 * usd, key_day_pico=5 * usd // 2)
    plain = next(one for one in planner_candidates(None) if one.name == SAFE)
    assert plain.over(0.5, every_key=True) is plain

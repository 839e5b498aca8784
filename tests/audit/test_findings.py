"""The document behind all faces of an audit."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from msgspec.structs import asdict, replace

from tests.audit.report.samples import EMPTY
from thriftgate.audit.findings import Family, Findings, Kinds, Money
from thriftgate.audit.replay.policies import client_candidates, planner_candidates
from thriftgate.core.plan import Policy


def test_sums_add_with_their_error_bars() -> None:
    assert Money(5, 4, 7) + Money(-1, -3, 0) == Money(4, 1, 7)
    assert sum([Money(1, 1, 1)] * 3, Money()) == Money(3, 3, 3)


def test_all_prompt_tokens() -> None:
    assert Kinds(input=1, write_5m=10, write_1h=100, read=1_000, output=5).prompt == 1_111


def test_each_kind_of_token_has_its_money() -> None:
    fields = Kinds.__struct_fields__
    tokens = [name for name in fields if not name.endswith("_pico")]
    assert [f"{name}_pico" for name in tokens] == [name for name in fields if name.endswith("_pico")][: len(tokens)]


def test_it_is_a_plain_value_that_travels() -> None:
    full = replace(EMPTY, notes=("a note",), cost=Money(3, 2, 9))
    assert msgspec.json.decode(msgspec.json.encode(full), type=Findings) == full
    with pytest.raises(AttributeError):
        full.calls = 3  # type: ignore[misc]
    assert set(asdict(full)) == set(Findings.__struct_fields__)


def test_each_policy_that_is_replayed_has_a_family() -> None:
    families = {candidate.family for candidate in (*planner_candidates(Policy()), *client_candidates())}
    assert families == {"lever", "levers", "config", "client"} <= set(get_args(Family))

"""The settings as the room reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.reusing.stage import ON, reusing
from tests.fixtures import engine_on, settings_of, simulator
from thriftgate.core.earlier.rules import Rule
from thriftgate.core.errors import ConfigError
from thriftgate.engine.engine import Engine
from thriftgate.engine.reuse_table import rules_of

KEY_TEXT = "ab" * 32


def test_rules_in_order() -> None:
    settings = settings_of(
        reuse={"rules": ({"task": "a", "ttl_s": 5, "share": "team"}, {"name": "b", "may_tool_use": True})}
    )
    assert rules_of(settings) == (
        Rule("rule 1", task="a", ttl_s=5.0, share="team"),
        Rule("b", may_tool_use=True),
    )


def on(engine: Engine) -> bool:
    return engine.reusing._rooms is not None


async def test_on_where_it_is_named_and_ruled() -> None:
    rules: dict[str, Any] = {"rules": ({},)}
    for tables, expected in (
        ({}, False),
        ({"reuse": rules}, False),
        ({"policy": ON}, False),
        ({"policy": ON, "reuse": rules}, True),
        ({"experiment": {"levers": ("reuse.exact",), "share": 0.5}, "reuse": rules}, True),
    ):
        async with engine_on(simulator(), **tables) as engine:
            assert on(engine) == expected


async def test_a_file_needs_a_master_key_that_lasts(tmp_path: Path) -> None:
    path = {"path": str(tmp_path / "answers.db")}
    with pytest.raises(ConfigError, match=r"reuse\.path: answers are sealed with the master key.*access\.master_key"):
        async with reusing(simulator(), reuse=path):
            raise AssertionError
    async with reusing(simulator(), reuse=path, access={"master_key": KEY_TEXT}) as engine:
        assert on(engine)
    async with reusing(simulator(), reuse=path, ledger={"path": str(tmp_path / "books.db")}) as engine:
        assert on(engine)
    assert (tmp_path / "books.db-master-key").exists()


async def test_what_shapes_answers_is_in_the_key_and_what_does_not_is_not() -> None:
    found = []
    for tables in (
        {},
        {"server": {"drain_s": 9.0}, "limits": {"wait_s": 3.0}},
        {"output": {"cap_rate": 0.05}},
        {"routing": {"usual_split": True}},
        {"context": {"keep_messages": 8}},
        {"upstream": {"url": "http://elsewhere.invalid"}},
    ):
        async with reusing(simulator(), **tables) as engine:
            assert engine.reusing._rooms is not None
            found.append(engine.reusing._rooms.asking._table.settings)
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1

"""Recorded requests, planned: nothing on sends the same bytes, levers on change their own members and nothing else.

Run with THRIFTGATE_TRACES naming a folder that holds `anthropic-requests` (github.com/montevive/autocache, test data, MIT).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from tests.contracts.check_lever import visible
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Request, parse_request
from thriftgate.engine.snapshot import Knowledge
from thriftgate.pricing.load import load_book, load_models

TRACES = os.environ.get("THRIFTGATE_TRACES")
NOW_S = 1_795_262_400.0
MODEL = "claude-opus-5-5"  # in place of models whose prices have ended: minimum 512

pytestmark = pytest.mark.skipif(TRACES is None, reason="THRIFTGATE_TRACES names no folder of recorded requests")


def bodies() -> list[bytes]:
    found = []
    for file in sorted(Path(TRACES or "", "anthropic-requests").rglob("*.json")):
        data = file.read_bytes()
        body = json.loads(data)
        if isinstance(body, dict) and {"messages", "model"} <= body.keys():
            assert isinstance(body["model"], str)
            found.append(data.replace(json.dumps(body["model"]).encode(), json.dumps(MODEL).encode()))
    assert len(found) > 10
    return found


def plan_of(request: Request, policy: Policy) -> tuple[Plan, Prefix]:
    knowledge = Knowledge(load_book(), load_models())
    state = knowledge.snapshot(request, "key", NOW_S).state
    return make_plan(request, state, policy), state.prefix


def members(body: bytes) -> dict[str, bytes]:
    return {key: bytes(raw) for key, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


def test_an_empty_plan_forwards_the_same_bytes() -> None:
    for body in bodies():
        plan, _ = plan_of(parse_request(body, needs_max_tokens=False), Policy(()))
        assert plan.body is body


def test_breakpoints_change_the_members_they_stand_in_and_nothing_the_model_sees() -> None:
    applied = 0
    for body in bodies():
        request = parse_request(body, needs_max_tokens=False)
        plan, prefix = plan_of(request, Policy())
        touched = {prefix.blocks[mark.at].section for mark in plan.breakpoints} if plan.applied() else set()
        before, after = members(body), members(plan.body)
        assert list(before) == list(after)
        assert {key for key in before if before[key] != after[key]} == touched
        assert visible(plan.body) == visible(body)
        assert (plan.body is body) == (not plan.applied())
        applied += bool(plan.applied())
    assert applied > 5


def test_every_untouched_message_keeps_its_bytes() -> None:
    for body in bodies():
        plan, prefix = plan_of(parse_request(body, needs_max_tokens=False), Policy())
        marked = {prefix.blocks[mark.at].index for mark in plan.breakpoints if prefix.blocks[mark.at].section == "messages"}
        before, after = (
            [bytes(one) for one in msgspec.json.decode(members(data)["messages"], type=list[msgspec.Raw])]
            for data in (body, plan.body)
        )
        assert {at for at, (one, two) in enumerate(zip(before, after, strict=True)) if one != two} == (
            marked if plan.applied() else set()
        )

"""From a call to a question."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.reusing.stage import EXACT, reusing
from tests.fixtures import HEADERS, call_of, message, simulator
from thriftgate.core.control.whose import Whose
from thriftgate.core.earlier.rules import Share
from thriftgate.core.plan import Policy, Skip
from thriftgate.engine.call import Call
from thriftgate.engine.reusing.asking import _narrowed
from thriftgate.engine.reusing.tier import Question


async def asked(call: Call, rule: dict[str, Any] | None = None, **tables: Any) -> Question | Skip:
    async with reusing(simulator(), rule or {}, **tables) as engine:
        assert engine.reusing._rooms is not None
        return engine.reusing._rooms.asking.question(call, "")


async def test_a_question_tells_all_that_a_tier_needs() -> None:
    call = call_of(message(), headers=HEADERS | {"thriftgate-task": "triage"})
    found = await asked(call, {"ttl_s": 5, "name": "mine"})
    assert isinstance(found, Question)
    assert (found.rule.name, found.rule.ttl_s, found.task, found.route.task) == ("mine", 5, "triage", "triage")
    assert found.key.startswith("key_")
    assert EXACT in found.policy.levers
    assert len({found.tenant, found.setting, found.digest}) == 3


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"parent": "tg_1"}, "on behalf of another"),
        ({"unrouted": "an audit"}, "to be measured"),
        ({"plainly": "x"}, "to be measured"),
        ({"pinned": "aws"}, "to be measured"),
        ({"unexamined": "x"}, "to be measured"),
        ({"credential": ""}, "without a key"),
    ],
)
async def test_calls_of_which_none_is_asked(members: dict[str, Any], words: str) -> None:
    found = await asked(replace(call_of(message()), **members))
    assert isinstance(found, Skip)
    assert words in found.reason


async def test_whose_it_is_goes_by_the_rule() -> None:
    for share, same in (("key", False), ("team", True), ("org", True), ("user", False)):
        found = []
        async with reusing(simulator(), {"share": share}) as engine:
            assert engine.reusing._rooms is not None
            for key, user in (("key_1", "u1"), ("key_2", "u2")):
                call = replace(call_of(message()), key=key, credential="", whose=Whose(user, "t", "o"))
                one = engine.reusing._rooms.asking.question(call, "")
                assert isinstance(one, Question)
                found.append(one.digest)
        assert (found[0] == found[1]) == same


@pytest.mark.parametrize("share", ["team", "org"])
def test_levers_that_shape_prompts_or_answers_narrow_it_to_the_key(share: Share) -> None:
    safe = Policy((EXACT, "reuse.semantic", "cache.breakpoints", "count.guard"))
    assert _narrowed(share, safe) == share
    assert _narrowed(share, replace(safe, levers=(*safe.levers, "output.brevity"))) == "key"
    assert _narrowed(share, replace(safe, stabilise=("order_tools",))) == "key"
    assert _narrowed("user", replace(safe, stabilise=("order_tools",))) == "user"

"""`stabilise`: what it rewrites, and what it must leave alone."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.planning import MODELS, prefix_of, request_of
from tests.laws.traffic import Traffic
from thriftgate.core.models import Capabilities
from thriftgate.core.request import parse_request
from thriftgate.core.stability.rewrite import Stabilised, StabilisePolicy, stabilise

RULES = "Sort the tickets by their urgency and answer in one word. " * 90
NAMES = ("split_volatile", "order_tools", "order_documents", "stable_json")
ALL = StabilisePolicy(**dict.fromkeys(NAMES, True))
POLICIES = [StabilisePolicy(**dict.fromkeys(some, True)) for size in range(5) for some in combinations(NAMES, size)]
DATED = f"Today is 2026-11-21.\n{RULES}"
SCHEMA = {"type": "object", "properties": {"n": {"type": "number", "maximum": 1.50}, "a": {}}}
MARK = {"cache_control": {"type": "ephemeral"}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": SCHEMA, "description": f"{name} {RULES}"} | more


def document(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": f"{number} {RULES}"}} | more


def asked(*content: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)} | more]


QUESTION = {"type": "text", "text": "which?"}
TOOLS = [tool("write"), tool("read"), {"type": "web_search_20250305", "name": "web_search"}, tool("list")]
DOCUMENTS = [document(n) for n in range(5)]


def done(policy: StabilisePolicy = ALL, capability: Capabilities | None = None, **members: Any) -> tuple[Stabilised, Any]:
    """What `stabilise` says, and the body it leaves; None where that is the very same."""
    request = request_of(**members)
    result = stabilise(request, capability or MODELS[request.model], policy)
    return result, None if result.body is request.body else json.loads(result.body)


def test_everything_at_once() -> None:
    result, body = done(system=DATED, tools=TOOLS, messages=asked(*DOCUMENTS, QUESTION))
    assert [block["text"] for block in body["system"]] == [RULES, "Today is 2026-11-21.\n"]
    assert [one["name"] for one in body["tools"]] == ["list", "read", "web_search", "write"]
    assert list(body["tools"][0]) == ["description", "input_schema", "name"]
    assert body["messages"][0]["content"][-1] == QUESTION
    assert body["messages"][0]["content"] != [*DOCUMENTS, QUESTION]
    assert result.changes == (
        "moved 1 line of the system prompt behind the rest",
        "wrote tool definitions with sorted keys",
        "sorted the tools by name",
        "sorted the documents of the first message",
    )
    assert result.aside == ""


def test_each_switch_does_its_own() -> None:
    members: dict[str, Any] = {"system": DATED, "tools": TOOLS, "messages": asked(*DOCUMENTS, QUESTION)}
    for name, member in zip(NAMES, ("system", "tools", "messages", "tools"), strict=True):
        before = json.loads(request_of(**members).body)
        _, body = done(StabilisePolicy(**{name: True}), **members)
        assert [key for key in before if body[key] != before[key] or str(body[key]) != str(before[key])] == [member]
    assert done(StabilisePolicy(), **members)[1] is None


def test_requests_that_differ_only_so_become_one() -> None:
    shuffled = [TOOLS[3], TOOLS[0], TOOLS[2], dict(reversed(TOOLS[1].items()))]
    _, one = done(system=DATED, tools=TOOLS, messages=asked(*DOCUMENTS, QUESTION))
    _, other = done(system=DATED.replace("21", "22"), tools=shuffled, messages=asked(*reversed(DOCUMENTS), QUESTION))
    assert json.dumps(one["tools"]) == json.dumps(other["tools"])
    assert one["messages"] == other["messages"]
    assert one["system"][0] == other["system"][0]
    chains = [prefix_of(request_of(msgspec.json.encode(body))).chain for body in (one, other)]
    assert chains[0][:5] == chains[1][:5], "tools and rules are one prefix"


ASIDE: list[tuple[str, dict[str, Any], str]] = [
    ("thread", {"thread": {"id": "thread_1"}}, "the provider holds"),
    ("fallbacks", {"fallbacks": [{"model": "claude-opus-5-5"}]}, "another model may answer"),
    ("short", {"system": "Today is 2026-11-21.\nBe kind.", "tools": None, "messages": asked(QUESTION)}, "shorter than"),
    ("attribution", {"system": f"x-anthropic-billing-header: cc_version=1;\n{DATED}"}, "attribution block"),
    ("thinks", {"model": "claude-opus-5-5"}, "binds thinking"),
    ("thinks by default", {"model": "claude-haiku-5-5"}, "binds thinking"),
    ("null", {"model": "claude-haiku-5-5", "thinking": {"type": "of_tomorrow"}}, "binds thinking"),
    ("unknown model", {"model": "claude-of-tomorrow"}, "binds thinking"),
]


@pytest.mark.parametrize(("members", "words"), [case[1:] for case in ASIDE], ids=[case[0] for case in ASIDE])
def test_it_stands_aside(members: dict[str, Any], words: str) -> None:
    base = {"system": DATED, "tools": TOOLS, "messages": asked(*DOCUMENTS, QUESTION)}
    result, body = done(**(base | members))
    assert body is None
    assert words in result.aside


LEFT: list[tuple[str, dict[str, Any]]] = [
    ("system marked", {"system": [{"type": "text", "text": DATED, **MARK}]}),
    ("tools marked", {"tools": [*TOOLS, tool("z", **MARK)]}),
    ("message marked", {"messages": asked(*DOCUMENTS, {**QUESTION, **MARK})}),
    ("cited", {"messages": asked(*(document(n, citations={"enabled": True}) for n in range(5)))}),
    ("not a user", {"messages": [{"role": "assistant", "content": DOCUMENTS}]}),
    ("a name twice", {"tools": [tool("b"), tool("a"), tool("a")]}),
    ("server tools", {"tools": [TOOLS[2], {"type": "bash_20250124", "name": "bash", "z": RULES}]}),
    ("no list", {"tools": 3, "system": {"text": DATED}, "messages": {"document": '"document"'}}),
    ("null", {"tools": [3, None], "system": 7.5, "messages": [None, '"document"' + RULES]}),
]


@pytest.mark.parametrize("members", [case[1] for case in LEFT], ids=[case[0] for case in LEFT])
def test_sections_that_are_left_alone(members: dict[str, Any]) -> None:
    result, body = done(**({"metadata": {"user_id": RULES}} | members))
    assert body is None
    assert result.aside == ""


def test_a_mark_elsewhere_does_not_matter_and_stays() -> None:
    _, body = done(
        system=[{"type": "text", "text": DATED}], tools=[tool("z"), tool("a")], messages=asked({**QUESTION, **MARK})
    )
    assert len(body["system"]) == 2
    assert [one["name"] for one in body["tools"]] == ["a", "z"]
    assert body["messages"] == asked({**QUESTION, **MARK})


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
TALK = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [THOUGHT, QUESTION]},
    {"role": "user", "content": "b"},
]


def test_models_that_bind_thinking() -> None:
    off: dict[str, Any] = {"model": "claude-haiku-5-5", "thinking": {"type": "disabled"}, "system": DATED}
    assert done(**off)[1] is not None
    assert done(**off, messages=[TALK[0], {"role": "assistant", "content": "yes"}, TALK[2]])[1] is not None
    result, body = done(**off, messages=TALK)
    assert (body, result.aside) == (None, "thinking in this conversation is bound to its exact prefix")
    assert done(system=DATED, messages=TALK)[1] is not None, "of this model thinking is not bound"


def test_calls_that_are_never_continued() -> None:
    once = replace(ALL, single_turn=True)
    assert done(once, model="claude-opus-5-5", system=DATED)[1] is not None
    answered = [TALK[0], {"role": "assistant", "content": "yes"}, TALK[2]]
    assert done(once, model="claude-opus-5-5", system=DATED, messages=answered)[1] is None
    assert done(once, model="claude-opus-5-5", system=DATED, messages=TALK)[1] is None


def test_a_number_that_cannot_be_written_again() -> None:
    raw = b'{"model":"claude-opus-4-8","max_tokens":1,"messages":[],"tools":[{"name":"b","x":1e999},{"name":"a","y":"%b"}]}'
    request = request_of(raw % RULES.encode())
    assert stabilise(request, MODELS[request.model], ALL).body is request.body


# --- what holds for any request ----------------------------------------------------------------------------------------


def in_any_order(value: Any) -> Any:
    """A request with what may be moved sorted: equal for two of the same meaning."""
    seen = dict(value)
    if isinstance(seen.get("tools"), list):
        seen["tools"] = sorted(seen["tools"], key=lambda one: json.dumps(one, sort_keys=True))
    system = seen.pop("system", None)
    texts = [system] if isinstance(system, str) else [block["text"] for block in system or ()]
    seen["system"] = sorted(line for text in texts for line in text.split("\n") if line.strip())
    first = seen["messages"][0]
    if isinstance(first["content"], list):
        content = sorted(first["content"], key=lambda one: json.dumps(one, sort_keys=True))
        seen["messages"] = [first | {"content": content}, *seen["messages"][1:]]
    return seen


def check(body: bytes, policy: StabilisePolicy, capability: Capabilities) -> bool:
    request = parse_request(body)
    result = stabilise(request, capability, policy)
    after = parse_request(result.body)
    assert stabilise(after, capability, policy).body is after.body, "done twice is done once"
    assert (result.body is body) == (not result.changes)
    assert in_any_order(json.loads(result.body)) == in_any_order(json.loads(body))
    if capability.prefix_bound_thinking and b'"thinking"' in request.raw("messages"):
        assert result.body is body
    for name in request.members.keys() - {"tools", "system", "messages"}:
        assert after.raw(name) == request.raw(name)
    return bool(result.changes)


LINES = st.lists(
    st.sampled_from([RULES[:60], "Today is 2026-11-21.", "Request ID: req_01AbCdEfGhIj", "", "é ☕", "Now: 10:32"]),
    max_size=5,
)
TOOL_LIST = st.lists(
    st.sampled_from([*TOOLS, tool("m", **MARK), tool("a", type="custom", é=[1, {"b": 2, "a": 1e3}])]), max_size=5
)
CONTENT = st.lists(st.sampled_from([*DOCUMENTS[:3], QUESTION, document(9, **MARK)]), max_size=6)
ANSWER = st.sampled_from(
    [[], [{"role": "assistant", "content": [THOUGHT, QUESTION]}], [{"role": "assistant", "content": "yes"}]]
)


BODY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["claude-opus-4-8", "claude-haiku-5-5", "claude-opus-5-5"]),
        "system": LINES.map("\n".join) | LINES.map(lambda lines: [{"type": "text", "text": line} for line in lines]),
        "tools": TOOL_LIST,
        "thinking": st.sampled_from([None, {"type": "disabled"}]),
        "messages": st.builds(lambda content, answer: [*asked(*content), *answer], CONTENT, ANSWER),
        "metadata": st.just({"user_id": RULES}),
    }
)


@given(BODY, st.sampled_from([*POLICIES, replace(ALL, single_turn=True)]))
def test_any_request(members: dict[str, Any], policy: StabilisePolicy) -> None:
    check(request_of(**members).body, policy, MODELS[members["model"]])


def test_traffic_of_the_laws() -> None:
    changed = 0
    for seed in range(30):
        traffic = Traffic(seed)
        for _ in range(6):
            step = traffic.step()
            traffic.answered(step, [])
            body = msgspec.json.encode(step.body)
            changed += check(body, ALL, replace(MODELS[step.body["model"]], cache_min_tokens=1))
    assert changed > 10

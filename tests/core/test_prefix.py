"""Which requests share a prefix, and how far: the table "What invalidates what" of the prompt-caching page, row by row."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from tests.core.planning import body_of, prefix_of, request_of
from thriftgate.core.errors import InputError
from thriftgate.core.prefix import Prefix

Body = dict[str, Any]
Level = Literal["nothing", "messages", "system", "tools"]

TOOLS = [{"name": "a", "input_schema": {"type": "object"}}, {"name": "b", "input_schema": {"type": "object"}}]
WEB = {"type": "web_search_20250305", "name": "web_search"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "facts"}}
CITED = DOCUMENT | {"citations": {"enabled": True}}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}
MARK = {"type": "ephemeral"}


def text(value: str, **members: Any) -> Body:
    return {"type": "text", "text": value, **members}


def said(*contents: Any) -> list[Body]:
    """User and assistant in turn."""
    return [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]


def base(**members: Any) -> Body:
    return body_of(**({"tools": TOOLS, "system": "be brief", "messages": said("hello")} | members))


def prefix(body: Body, **where: Any) -> Prefix:
    return prefix_of(request_of(body), **where)


def lost(before: Body, after: Body) -> Level:
    """The level from which on nothing of `before` is found in `after`."""
    one, two = prefix(before), prefix(after)
    known = set(one.chain)
    hits = [block for block, digest in zip(two.blocks, two.chain, strict=True) if digest in known]
    if not hits:
        return "tools"
    if hits[-1].section == "tools":
        return "system"
    return "messages" if hits[-1].section == "system" else "nothing"


# --- what is the same -----------------------------------------------------------------------------------------------------

SAME: list[tuple[Body, Body]] = [
    (base(), base(messages=said([text("hello")]))),
    (base(), base(system=[text("be brief")])),
    (base(), base(system=[text("be brief", cache_control=MARK)], cache_control=MARK)),
    (base(), base(tools=[TOOLS[0], TOOLS[1] | {"cache_control": MARK}])),
    (base(), base(max_tokens=7, temperature=1, metadata={"user_id": "u"}, stream=True)),
    (base(), base(tool_choice={"type": "auto"})),
    (base(), base(tool_choice={"type": "auto", "disable_parallel_tool_use": False})),
    (base(tool_choice={"type": "tool", "name": "a"}), base(tool_choice={"name": "a", "type": "tool"})),
    (base(), base(thinking={"type": "disabled"})),  # the default of Opus 4.8
    (base(model="claude-opus-5-5"), base(model="claude-opus-5-5", thinking={"type": "adaptive"})),
    (base(), base(output_config={"effort": "high"})),
    (base(model="claude-opus-5-5"), base(model="claude-opus-5-5", output_config={"effort": "medium"})),
    (base(), base(output_config={})),
    (base(), base(tools=[*TOOLS, {"name": "later", "defer_loading": True}])),
    (base(output_config={"format": {"type": "json_schema"}}), base(output_format={"type": "json_schema"})),
    (base(messages=said("a", [THINKING, text("b")], "c")), base(messages=said("a", [THINKING, text("b")], "c"))),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same_prompt(one: Body, two: Body) -> None:
    assert prefix(one).chain == prefix(two).chain


@pytest.mark.parametrize(
    "name", ["tool_choice", "thinking", "output_config", "output_format", "tools", "system", "cache_control"]
)
def test_null_is_as_good_as_absent(name: str) -> None:
    raw = request_of(body_of(messages=said("hello"))).body
    spelled = raw[:-1] + f',"{name}":null}}'.encode()
    assert prefix_of(request_of(spelled)).chain == prefix_of(request_of(raw)).chain


@pytest.mark.parametrize("name", ["effort", "format", "task_budget"])
def test_null_settings_of_the_output_are_absent(name: str) -> None:
    assert prefix(base(output_config={name: None})).chain == prefix(base()).chain


# --- what is lost ---------------------------------------------------------------------------------------------------------

LOST: list[tuple[str, Body, Body, Level]] = [
    ("tool order", base(), base(tools=TOOLS[::-1]), "tools"),
    ("a tool's schema", base(), base(tools=[TOOLS[0] | {"description": "d"}, TOOLS[1]]), "tools"),
    ("the model", base(), base(model="claude-opus-4-7"), "tools"),
    ("the speed", base(), base(speed="fast"), "tools"),
    ("a tool behind the others", base(), base(tools=[*TOOLS, {"name": "c"}]), "system"),
    ("web search", base(), base(tools=[*TOOLS, WEB]), "system"),
    ("web search, listed first", base(), base(tools=[WEB, *TOOLS]), "system"),
    ("the system prompt", base(), base(system="be very brief"), "system"),
    ("citations", base(messages=said([DOCUMENT])), base(messages=said([CITED])), "system"),
    ("citations, no system prompt", base(system=None), base(system=None, messages=said("hello", "hi", [CITED])), "system"),
    ("tool choice", base(), base(tool_choice={"type": "none"}), "messages"),
    ("parallel tool use", base(), base(tool_choice={"type": "auto", "disable_parallel_tool_use": True}), "messages"),
    ("an image anywhere", base(), base(messages=said("hello", "hi", [IMAGE])), "messages"),
    (
        "an image in a tool result",
        base(),
        base(messages=said("hello", "hi", [{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}])),
        "messages",
    ),
    ("thinking", base(), base(thinking={"type": "adaptive"}), "messages"),
    (
        "the thinking budget",
        base(thinking={"type": "enabled", "budget_tokens": 1_024}),
        base(thinking={"type": "enabled", "budget_tokens": 2_048}),
        "messages",
    ),
    ("effort", base(), base(output_config={"effort": "low"}), "messages"),
    ("output format", base(), base(output_config={"format": {"type": "json_schema"}}), "messages"),
    ("task budget", base(), base(output_config={"task_budget": {"type": "tokens", "total": 1}}), "messages"),
    ("the next turn", base(), base(messages=said("hello", "hi", "and")), "nothing"),
    ("the roles", base(messages=said("a", "b")), base(messages=[*said("a"), *said("b")]), "nothing"),
]


@pytest.mark.parametrize(("before", "after", "level"), [row[1:] for row in LOST], ids=[row[0] for row in LOST])
def test_what_invalidates_what(before: Body, after: Body, level: Level) -> None:
    assert prefix(before).chain != prefix(after).chain
    assert lost(before, after) == level


def test_key_order_inside_a_tool_call_matters() -> None:
    def called(**arguments: int) -> Body:
        return base(messages=said("x", [{"type": "tool_use", "id": "t", "name": "a", "input": arguments}]))

    one, two = prefix(called(a=1, b=2)), prefix(called(b=2, a=1))
    assert one.chain[:-1] == two.chain[:-1]
    assert one.chain[-1] != two.chain[-1]


def test_organisations_and_workspaces_share_nothing() -> None:
    assert not set(prefix(base(), scope=b"one").chain) & set(prefix(base(), scope=b"two").chain)


# --- conversations --------------------------------------------------------------------------------------------------------


def test_consecutive_turns_extend_the_same_chain() -> None:
    contents: list[Any] = ["hello"]
    chain: tuple[bytes, ...] = ()
    for turn in range(6):
        body = base(messages=said(*contents))
        longer = prefix(body).chain
        assert longer[: len(chain)] == chain
        chain = longer
        contents += [[THINKING, text(f"answer {turn}")], [text(f"question {turn}"), text("more")]]
    assert len(set(chain)) == len(chain)


def test_models_that_keep_only_the_last_turns_thinking_lose_the_rest_once_the_user_speaks() -> None:
    called = [THINKING, {"type": "tool_use", "id": "t", "name": "a", "input": {}}]
    answered = [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]
    loop = said("question", called, answered)
    spoken = said("question", called, answered, [text("done")], "next")
    for model, kept in (("claude-opus-5-5", True), ("claude-sonnet-4-5", False)):
        before, after = prefix(base(model=model, messages=loop)), prefix(base(model=model, messages=spoken))
        kinds = [block.part.kind for block in before.blocks]
        assert kinds.count("thinking") == 1
        assert (after.chain[: len(before.chain)] == before.chain) is kept
        assert [block.part.kind for block in after.blocks].count("thinking") == kept
        assert after.blocks[-1].path() == ("messages", 4, "content")


def test_a_compaction_stands_for_all_before_it() -> None:
    compaction = {"type": "compaction", "content": "so far"}
    whole = base(messages=said("a", "b", "c", [compaction, text("d")], "e"))
    short = base(messages=[{"role": "assistant", "content": [compaction, text("d")]}, {"role": "user", "content": "e"}])
    assert prefix(whole).chain == prefix(short).chain
    assert prefix(whole).blocks[-1].path() == ("messages", 4, "content")


# --- places ---------------------------------------------------------------------------------------------------------------


def test_render_order() -> None:
    body = base(tools=[WEB, *TOOLS], system=[text("x"), text("y")], messages=said("hello", "hi"))
    assert [block.path() for block in prefix(body).blocks] == [
        ("tools", 1),
        ("tools", 2),
        ("tools", 0),
        ("system", 0),
        ("system", 1),
        ("messages", 0, "content"),
        ("messages", 1, "content"),
    ]


def test_landmarks() -> None:
    body = base(system=[text("x"), text("  ")], messages=said([text("hello", cache_control=MARK)], [text("hi"), THINKING]))
    found = prefix(body)
    assert found.head_end() == 2  # the last system block is blank
    assert found.last_markable() == 5  # thinking may carry none
    assert found.marks() == ((4, "5m"),)
    assert prefix(base(tools=None, system=None)).head_end() is None
    assert prefix(base(tools=None, system=None, messages=[])).last_markable() is None


def test_message_spans() -> None:
    request = request_of(base(messages=said("hello", [text("hi")])))
    spans = prefix_of(request).message_spans()
    assert [request.body[start:end] for start, end in spans] == [
        b'{"role":"user","content":"hello"}',
        b'{"role":"assistant","content":[{"type":"text","text":"hi"}]}',
    ]


MALFORMED: list[Body] = [base(system=7), base(tools="none"), base(messages=[7]), base(messages=said(7))]


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_no_prompt(body: Body) -> None:
    with pytest.raises(InputError):
        prefix(body)


@pytest.mark.parametrize(
    ("members", "count"),
    [
        ({}, 0),
        ({"system": 'the "cache_control" of a block'}, 0),
        ({"system": [text("be brief", cache_control=MARK)]}, 1),
        ({"tools": [TOOLS[0] | {"cache_control": MARK}]}, 1),
        ({"messages": said([text("hello", cache_control={"type": "of a kind to come"})])}, 1),
        ({"cache_control": MARK}, 0),  # automatic caching: it stands on no block
    ],
)
def test_a_mark_is_counted_wherever_it_stands(members: Body, count: int) -> None:
    assert prefix(base(**members)).marks_count == count


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({}, []),
        ({"tool_choice": {"type": "auto"}, "thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, []),
        ({"tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}}, ["tool_choice", "thinking"]),
        ({"output_config": {"effort": "low", "format": {"type": "json_schema"}, "task_budget": {"total": 9}}},
         ["effort", "format", "task_budget"]),
        ({"output_format": {"type": "json_schema"}}, ["format"]),
        ({"messages": said([IMAGE, CITED])}, ["images", "citations"]),
    ],
)  # fmt: skip
def test_the_settings_that_enter_the_digests_are_there_by_name(members: Body, names: list[str]) -> None:
    assert list(prefix(base(**members)).settings) == names


def test_a_long_output_format_is_kept_as_its_digest() -> None:
    long, other = (
        prefix(base(output_config={"format": {"type": "json_schema", "schema": {"title": word * 999}}})).settings["format"]
        for word in ("a", "b")
    )
    assert len(long) < 30
    assert long != other

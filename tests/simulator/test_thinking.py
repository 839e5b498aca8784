"""Sealed thinking: what may change in a conversation and what may not."""

from copy import deepcopy
from typing import Any

import pytest

from thriftgate.simulator import Simulator, errors
from thriftgate.simulator.thinking import Sealer

from .support import BINDING, ask, body, call, simulator, text

SYSTEM = "You are a helpful simulation."
BOUND = "claude-opus-5-5"
TOOL = {"name": "look", "input_schema": {"type": "object"}}


async def conversation(
    app: Simulator, turns: int = 3, headers: dict[str, str] | None = None, **members: Any
) -> dict[str, Any]:
    """A conversation in which every turn has thought."""
    content = body(**({"model": BOUND, "system": SYSTEM, "tools": [dict(TOOL)], "messages": []} | members))
    for number in range(turns):
        content["messages"].append({"role": "user", "content": f"question {number} [[sim: think=30]]"})
        reply = await ask(app, content, headers=headers)
        assert reply.status == 200, reply.raw
        content["messages"].append({"role": "assistant", "content": reply.json()["content"]})
    content["messages"].append({"role": "user", "content": "last [[sim: think=30]]"})
    return content


def edit_system(content: dict[str, Any]) -> None:
    content["system"] += " Today is Monday."


def edit_history(content: dict[str, Any]) -> None:
    content["messages"][2]["content"] = "shorter"


def drop_first_turn(content: dict[str, Any]) -> None:
    del content["messages"][:2]


def change_tools(content: dict[str, Any]) -> None:
    content["tools"].append({**TOOL, "name": "other"})


def without_thinking(*messages: int) -> Any:
    def change(content: dict[str, Any]) -> None:
        for number in messages:
            blocks = content["messages"][number]["content"]
            content["messages"][number]["content"] = [block for block in blocks if block["type"] != "thinking"]

    return change


def mark_and_reformat(content: dict[str, Any]) -> None:
    content["system"] = [text(content["system"], "1h")]
    content["messages"][0]["content"] = [text(content["messages"][0]["content"], "5m")]
    content["tools"][0]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}


def change_parameters(content: dict[str, Any]) -> None:
    content |= {"max_tokens": 999, "output_config": {"effort": "low"}, "metadata": {"user_id": "u"}}


def defer_a_tool(content: dict[str, Any]) -> None:
    content["tools"].append({**TOOL, "name": "late", "defer_loading": True})


@pytest.mark.parametrize("change", [edit_system, edit_history, drop_first_turn, change_tools, without_thinking(3)])
async def test_unsafe_changes_are_refused_or_dropped(change: Any) -> None:
    app = simulator()
    content = await conversation(app)
    change(content)
    reply = await ask(app, content)
    assert reply.status == 400
    assert reply.json()["error"]["message"].endswith(f".content.0: {errors.PREFIX_MISMATCH}")
    counted = await call(app, "POST", "/v1/messages/count_tokens", {k: v for k, v in content.items() if k != "max_tokens"})
    assert counted.status == 400  # the free dry run
    content["thinking"] = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert (await ask(app, content)).status == 400  # the setting needs its beta header
    dropped = await ask(app, content, headers=BINDING)
    assert dropped.status == 200
    notes = dropped.json()["input_transformations"]
    assert notes
    assert {note["reason"] for note in notes} == {"prefix_binding_mismatch"}
    assert {note["type"] for note in notes} == {"thinking_dropped"}


@pytest.mark.parametrize(
    "change",
    [
        lambda content: None,
        mark_and_reformat,
        change_parameters,
        defer_a_tool,
        without_thinking(1),
        without_thinking(1, 3),
        without_thinking(5),
        without_thinking(1, 3, 5),
    ],
)
async def test_safe_changes_pass(change: Any) -> None:
    app = simulator()
    content = await conversation(app)
    change(content)
    reply = await ask(app, content, headers=BINDING)
    assert reply.status == 200, reply.raw
    assert reply.json()["input_transformations"] == []
    assert "input_transformations" not in (await ask(app, content)).json()


async def test_dropped_thinking_stays_consistent_on_later_turns() -> None:
    app = simulator()
    content = await conversation(
        app,
        headers=BINDING,
        thinking={"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}},
    )
    edit_history(content)
    for _ in range(2):
        reply = await ask(app, content, headers=BINDING)
        assert len(reply.json()["input_transformations"]) == 2
        content["messages"] += [
            {"role": "assistant", "content": reply.json()["content"]},
            {"role": "user", "content": "more [[sim: think=9]]"},
        ]


async def test_older_accounts_and_models_do_not_check() -> None:
    app = simulator(enforce_prefix_binding=False)
    content = await conversation(app)
    edit_system(content)
    assert (await ask(app, content)).status == 200
    content["thinking"] = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}
    assert (await ask(app, content, headers=BINDING)).status == 400  # asked for, it is checked on older accounts as well
    always = await conversation(app, model="claude-fable-5-2")
    edit_system(always)
    assert (await ask(app, always)).status == 400
    free = await conversation(simulator(), model="claude-opus-5")
    edit_system(free)
    assert (await ask(simulator(), free)).status == 200


@pytest.mark.parametrize("where", [1, 5])
async def test_altered_text_is_refused(where: int) -> None:
    app = simulator()
    content = await conversation(app)
    content["messages"][where]["content"][0]["thinking"] += "!"
    reply = await ask(app, content)
    said = errors.THINKING_MODIFIED if where == 5 else errors.SIGNATURE_INVALID
    assert (reply.status, reply.json()["error"]["message"]) == (400, f"messages.{where}.content.0: {said}")


async def test_foreign_signatures() -> None:
    content = await conversation(simulator())
    stranger = simulator(seed=2)
    assert (await ask(stranger, deepcopy(content))).status == 400
    assert (await ask(simulator(seed=2, accept_foreign_signatures=True), content)).status == 200


async def test_seals_survive_a_restart_with_the_same_seed() -> None:
    content = await conversation(simulator())
    assert (await ask(simulator(instance_id="other"), content)).status == 200


async def test_another_model_loses_the_thinking_silently() -> None:
    app = simulator()
    content = await conversation(app)
    content["model"] = "claude-opus-5"
    assert "input_transformations" not in (await ask(app, content)).json()
    reply = await ask(app, content, headers=BINDING)
    assert reply.status == 200
    assert [note["reason"] for note in reply.json()["input_transformations"]] == ["model_binding_mismatch"] * 3
    stream = await ask(app, content | {"stream": True}, headers=BINDING)
    assert len(stream.events()[0]["message"]["input_transformations"]) == 3
    content["model"] = BOUND
    assert (await ask(app, content, headers=BINDING)).json()["input_transformations"] == []  # back again, all is read


async def test_a_block_that_another_model_cannot_read_is_not_billed() -> None:
    app = simulator()
    content = await conversation(app, turns=2)
    own = dict(app.count_blocks(content))
    other = dict(app.count_blocks(content | {"model": "claude-haiku-5-5"}))
    thinking = {f"messages.{number}.content.0" for number in (1, 3)}
    assert thinking <= set(own)
    assert not thinking & set(other)


@pytest.mark.parametrize(
    ("author", "reader", "kept"),
    [
        ("claude-haiku-5-5", "claude-opus-5-5", True),
        ("claude-haiku-5-5", "claude-sonnet-5-5", True),
        ("claude-opus-5-5", "claude-haiku-5-5", False),
        ("claude-opus-5", "claude-haiku-5-5", False),
        ("claude-sonnet-5-5", "claude-opus-5-5", True),
        ("claude-sonnet-5-5", "claude-haiku-5-5", False),
        ("claude-opus-5-5", "claude-sonnet-5-5", False),
        ("claude-opus-5", "claude-sonnet-5-5", False),
        ("claude-sonnet-5", "claude-sonnet-5-5", True),
        ("claude-opus-5", "claude-opus-5-5", True),
        ("claude-opus-5-5", "claude-fable-5-1", True),
        ("claude-fable-5-1", "claude-opus-5-5", False),
        ("claude-fable-5-2", "claude-fable-5-1", False),
    ],
)
async def test_what_a_switch_of_the_model_keeps(author: str, reader: str, kept: bool) -> None:
    app = simulator()
    content = await conversation(app, turns=1, model=author)
    reply = await ask(app, content | {"model": reader}, headers=BINDING)
    assert reply.status == 200, reply.raw
    notes = [note["reason"] for note in reply.json()["input_transformations"]]
    assert notes == ([] if kept else ["model_binding_mismatch"])


async def test_fable_and_mythos_52_read_each_other() -> None:
    app = simulator()
    content = await conversation(app, model="claude-fable-5-2")
    content["model"] = "claude-mythos-5-2"
    assert (await ask(app, content, headers=BINDING)).json()["input_transformations"] == []


async def test_account_bound_blocks_are_dropped_elsewhere() -> None:
    app = simulator()
    content = await conversation(app, model="claude-sonnet-5-5")
    reply = await ask(app, content, headers=BINDING | {"x-api-key": "sk-ant-sim-acme.red-1"})
    assert {note["reason"] for note in reply.json()["input_transformations"]} == {"organization_binding_mismatch"}


async def test_earlier_thinking_counts_at_its_true_length_or_is_stripped() -> None:
    for model, kept in (("claude-opus-5-5", True), ("claude-haiku-4-5", False)):
        app = simulator()
        thinking: dict[str, Any] = (
            {} if kept else {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
        )
        content = await conversation(app, model=model, **thinking)
        labels = dict(app.count_blocks(content))
        assert (labels.get("messages.1.content.0") in {30, 34}) is kept


def test_sealer_reads_only_its_own() -> None:
    sealer = Sealer(1)
    assert sealer.read("nonsense!", "x") is None
    assert sealer.read("QUJD", "x") is None

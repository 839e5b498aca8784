from thriftgate.simulator.server_tools import any_cache_control, search_blocks

from .support import ask, body, simulator, text

WEB = {"type": "web_search_20250305", "name": "web_search"}
LONG = "background " * 2000


def test_blocks_depend_on_seed_and_query() -> None:
    assert search_blocks("tea", "i", 1) == search_blocks("tea", "i", 1) != search_blocks("tea", "i", 2)
    use, result = search_blocks("tea", "i", 1)
    assert use["input"] == {"query": "tea"}
    assert result["tool_use_id"] == "i"
    assert result["content"][0]["encrypted_content"]


def test_any_cache_control() -> None:
    assert not any_cache_control(body())
    assert any_cache_control(body(cache_control={"type": "ephemeral"}))
    assert any_cache_control(body(system=[text("x", "1h")]))


async def test_search_runs_two_iterations_and_charges_one_search() -> None:
    app = simulator()
    reply = (
        await ask(app, body(tools=[WEB], messages=[{"role": "user", "content": "search the web for green tea"}]))
    ).json()
    assert [block["type"] for block in reply["content"]] == ["server_tool_use", "web_search_tool_result", "text"]
    assert reply["usage"]["server_tool_use"]["web_search_requests"] == 1
    first, second = reply["usage"]["iterations"]
    assert second["input_tokens"] > first["input_tokens"]
    assert reply["usage"]["input_tokens"] == first["input_tokens"] + second["input_tokens"]
    billed = app.bill.document()["calls"][0]
    assert float(billed["cost_usd"]) > 0.01
    # sent back, the blocks are part of the prompt
    content = body(
        tools=[WEB],
        messages=[
            {"role": "user", "content": "search the web for green tea"},
            {"role": "assistant", "content": reply["content"]},
            {"role": "user", "content": "thanks"},
        ],
    )
    assert (await ask(app, content)).status == 200


async def test_server_tool_trap_a_5m_write_beside_1h_markers() -> None:
    app = simulator()
    content = body(tools=[WEB], system=[text(LONG, "1h")], messages=[{"role": "user", "content": "[[sim: search=tea]]"}])
    usage = (await ask(app, content)).json()["usage"]
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] > 0
    assert usage["cache_creation"]["ephemeral_5m_input_tokens"] > 0
    assert usage["cache_read_input_tokens"] == usage["cache_creation"]["ephemeral_1h_input_tokens"]


async def test_no_search_without_the_tool_or_when_forbidden() -> None:
    ask_it = [{"role": "user", "content": "[[sim: search=tea]]"}]
    for members in ({}, {"tools": [WEB], "tool_choice": {"type": "none"}}):
        reply = (await ask(simulator(), body(messages=ask_it, **members))).json()
        assert [block["type"] for block in reply["content"]] == ["text"]

from thriftgate.simulator.usage import Envelope, Step, Usage, delta_usage, final_usage, start_usage, total_usage

USAGE = Usage(input=1, write_5m=2, write_1h=3, read=4, output=5, thinking=2, web_searches=1)


def test_start_has_the_input_side_and_a_placeholder() -> None:
    assert start_usage(USAGE, Envelope("standard", "global", None), 1) == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "global",
    }


def test_delta_lacks_split_and_envelope() -> None:
    shown = delta_usage(USAGE, None)
    assert not {"cache_creation", "service_tier", "inference_geo", "speed", "iterations"} & set(shown)
    assert shown["output_tokens"] == 5
    assert shown["output_tokens_details"] == {"thinking_tokens": 2}
    assert shown["server_tool_use"]["web_search_requests"] == 1


def test_final_has_everything() -> None:
    steps = [Step("compaction", "m", Usage(input=9)), Step("message", "m", USAGE)]
    shown = final_usage(USAGE, Envelope("batch", "us", "fast"), steps)
    assert shown["speed"] == "fast"
    assert shown["service_tier"] == "batch"
    compaction, message = shown["iterations"]
    assert "model" not in compaction
    assert message["model"] == "m"
    assert message["cache_creation"] == {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}


def test_arithmetic() -> None:
    assert USAGE.total_input == 10
    assert USAGE.plus(USAGE).read == 8
    assert USAGE.with_output(7).thinking == 0
    assert USAGE.with_output(7, 3).output == 7


def test_the_top_level_is_the_sum_without_compaction() -> None:
    steps = [Step("compaction", "m", Usage(input=9)), Step("message", "m", USAGE)]
    assert total_usage(steps) is USAGE
    assert total_usage([*steps, Step("message", "m", USAGE)]) == Usage(2, 4, 6, 8, 10, 4, 2)
    assert total_usage(steps[:1]) == Usage()
    assert USAGE.with_output(7, 1) == Usage(1, 2, 3, 4, 7, 1, 1)

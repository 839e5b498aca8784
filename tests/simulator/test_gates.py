from datetime import UTC, datetime
from typing import Any

import pytest

from thriftgate.simulator import errors
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.gates import Passed, check_gates
from thriftgate.simulator.models import load_models

from .support import body, text

TABLE = load_models()
NOW = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
TOOLS = [{"name": "t", "input_schema": {}}]
PREFILL = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}
EFFORT_LEVELS = "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"
FORMAT = {"format": {"type": "json_schema", "schema": {}}}


def passed(model: str, *betas: str, batch: bool = False, **members: Any) -> Passed:
    return check_gates(body(**members), TABLE.by_name[model], frozenset(betas), NOW, batch=batch)


@pytest.mark.parametrize(
    ("model", "members", "said"),
    [
        ("claude-opus-4-6", {"messages": PREFILL}, errors.PREFILL),
        ("claude-fable-5-2", {"messages": PREFILL}, errors.PREFILL),
        ("claude-haiku-4-5", {"messages": PREFILL, "output_config": FORMAT}, errors.PREFILL),
        (
            "claude-haiku-4-5",
            {"messages": [*PREFILL[:1], {"role": "assistant", "content": "b "}]},
            "messages: final assistant content cannot end with trailing whitespace",
        ),
        ("claude-opus-4-7", {"temperature": 0}, "temperature: non-default values are not supported for this model"),
        ("claude-haiku-5-5", {"top_p": 0.9}, "top_p: non-default values are not supported for this model"),
        ("claude-opus-5", {"top_k": 5}, "top_k: non-default values are not supported for this model"),
        ("claude-opus-4-7", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, errors.THINKING_ENABLED),
        ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}}, errors.ADAPTIVE_UNSUPPORTED),
        ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, errors.THINKING_DISABLED),
        ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, errors.THINKING_DISABLED),
        (
            "claude-opus-5",
            {"thinking": {"type": "between_tools"}},
            '"thinking.type.between_tools" is not supported for this model.',
        ),
        (
            "claude-haiku-5-5",
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}},
            '"thinking.type.disabled" is only supported with "output_config.effort" up to "high".',
        ),
        (
            "claude-haiku-4-5",
            {"thinking": {"type": "enabled"}},
            "thinking.enabled.budget_tokens: Field required",
        ),
        (
            "claude-haiku-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 10}},
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            "claude-haiku-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000},
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ),
        ("claude-haiku-4-5", {"output_config": {"effort": "low"}}, "This model does not support the effort parameter."),
        (
            "claude-opus-4-6",
            {"output_config": {"effort": "xhigh"}},
            "output_config.effort: 'xhigh' is not supported for this model. Supported: low, medium, high, max",
        ),
        (
            "claude-fable-5-1",
            {"tools": TOOLS, "tool_choice": {"type": "any"}},
            errors.FORCED_TOOLS,
        ),
        (
            "claude-opus-5-5",
            {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "t"}},
            errors.FORCED_TOOLS,
        ),
        (
            "claude-haiku-4-5",
            {"max_tokens": 64_001},
            "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-haiku-4-5-20251001",
        ),
        (
            "claude-haiku-4-5",
            {"messages": [{"role": "user", "content": [IMAGE] * 101}]},
            "messages: too many images: 101 images > 100 maximum",
        ),
        ("claude-opus-5-5", {"max_tokens": 0, "stream": True}, "max_tokens: 0 is not supported with stream"),
        (
            "claude-opus-5-5",
            {"max_tokens": 0, "output_config": FORMAT},
            "max_tokens: 0 is not supported with output_config.format",
        ),
        (
            "claude-opus-4-6",
            {"max_tokens": 0, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "max_tokens: 0 is not supported with thinking.type enabled",
        ),
        (
            "claude-haiku-5-5",
            {"max_tokens": 0, "tools": TOOLS, "tool_choice": {"type": "any"}},
            "max_tokens: 0 is not supported with tool_choice any or tool",
        ),
        (
            "claude-sonnet-5",
            {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]},
            'messages.1: role "system" is not supported for this model. Use the top-level `system` parameter.',
        ),
        ("claude-sonnet-5-5", {"speed": "fast"}, "speed: fast mode is not supported for this model"),
        ("claude-opus-5", {"speed": "fast"}, "speed: fast mode on this model needs the beta header fast-mode-2026-02-01"),
        ("claude-opus-5", {"speed": "slow"}, "speed: Input should be 'standard' or 'fast'"),
        ("claude-haiku-4-5", {"inference_geo": "us"}, "inference_geo: not supported for this model"),
        ("claude-opus-5", {"inference_geo": "eu"}, "inference_geo: Input should be 'global' or 'us'"),
        (
            "claude-sonnet-5",
            {"output_config": {"effort": "low", "task_budget": {"total": 30000}}},
            "output_config.task_budget: not supported for this model",
        ),
        (
            "claude-sonnet-5",
            {"output_config": {"task_budget": {"total": 30000}}},
            "output_config.task_budget: not supported for this model",
        ),
        ("claude-haiku-4-5", {"temperature": 0.2, "top_p": 0.9}, errors.ONE_SAMPLER),
        ("claude-sonnet-4-6", {"temperature": 1, "top_p": 1}, errors.ONE_SAMPLER),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "temperature": 0.3}, errors.TEMPERATURE_THINKING),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "top_k": 5}, errors.TOP_K_THINKING),
        ("claude-sonnet-4-6", {"thinking": {"type": "adaptive"}, "top_p": 0.9}, errors.TOP_P_THINKING),
        (
            "claude-haiku-4-5",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000, "temperature": 0},
            errors.TEMPERATURE_THINKING,
        ),
        (
            "claude-haiku-4-5",
            {
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "max_tokens": 2000,
                "tools": TOOLS,
                "tool_choice": {"type": "any"},
            },
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        ("claude-haiku-5-5", {"output_config": {"effort": "tiny"}}, EFFORT_LEVELS),
        (
            "claude-opus-5-5",
            {"thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}},
            "thinking.adaptive.block_binding: Extra inputs are not permitted",
        ),
        (
            "claude-opus-5",
            {"output_config": {"effort": "low", "task_budget": {"total": 3}}},
            "output_config.task_budget.total: Input should be greater than or equal to 20000",
        ),
    ],
)
def test_refusals(model: str, members: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as problem:
        passed(model, **members)
    assert (problem.value.status, problem.value.message) == (400, said)


@pytest.mark.parametrize(
    ("model", "members"),
    [
        ("claude-haiku-4-5", {"messages": PREFILL}),
        ("claude-opus-4-6", {"temperature": 0.3}),
        ("claude-opus-4-7", {"temperature": 1, "top_p": 1}),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "temperature": 1}),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "top_p": 0.95}),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}, "tools": TOOLS, "tool_choice": {"type": "any"}}),
        ("claude-haiku-5-5", {"messages": [{"role": "user", "content": [IMAGE] * 600}]}),
        ("claude-opus-4-6", {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
        ("claude-haiku-5-5", {"tools": TOOLS, "tool_choice": {"type": "any"}}),
        ("claude-opus-5-5", {"output_config": {"effort": "max"}}),
        ("claude-opus-5-5", {"max_tokens": 0}),
        ("claude-opus-5-5", {"max_tokens": 128_000}),
        ("claude-opus-4-8", {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": [text("b")]}]}),
        (
            "claude-opus-5-5",
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": [{"type": "server_tool_use"}]},
                ]
            },
        ),
    ],
)
def test_accepted(model: str, members: dict[str, Any]) -> None:
    assert not passed(model, **members).fast


def test_prewarm_and_long_output_in_batches() -> None:
    with pytest.raises(ApiError, match="in a message batch"):
        passed("claude-opus-5-5", batch=True, max_tokens=0)
    passed("claude-opus-5-5", "output-300k-2026-03-24", batch=True, max_tokens=300_000)
    with pytest.raises(ApiError, match="300000 > 128000"):
        passed("claude-opus-5-5", "output-300k-2026-03-24", max_tokens=300_000)


def test_speed_and_geography() -> None:
    assert passed("claude-opus-5-5", speed="fast") == Passed(True, "fast", "global")
    assert passed("claude-opus-5", "fast-mode-2026-02-01", speed="fast").fast
    assert passed("claude-opus-4-6", speed="fast") == Passed(False, "standard", "global")
    assert passed("claude-opus-5-5", inference_geo="us") == Passed(False, None, "us")
    assert passed("claude-haiku-4-5").geo == "not_available"


ALL, NO_XHIGH = ("low", "medium", "high", "xhigh", "max"), ("low", "medium", "high", "max")
# model: prefill, temperature 0, forced tool, thinking types that are accepted, effort levels, thinks by default
TAKES: dict[str, tuple[bool, bool, bool, set[str], tuple[str, ...], bool]] = {
    "claude-fable-5-2": (False, False, False, {"adaptive"}, ALL, True),
    "claude-mythos-5-1": (False, False, False, {"adaptive"}, ALL, True),
    "claude-fable-5": (False, False, True, {"adaptive"}, ALL, True),
    "claude-opus-5-5": (False, False, False, {"adaptive"}, ALL, True),
    "claude-opus-5": (False, False, True, {"adaptive", "disabled"}, ALL, True),
    "claude-opus-4-8": (False, False, True, {"adaptive", "disabled"}, ALL, False),
    "claude-opus-4-7": (False, False, True, {"adaptive", "disabled"}, ALL, False),
    "claude-opus-4-6": (False, True, True, {"adaptive", "enabled", "disabled"}, NO_XHIGH, False),
    "claude-opus-4-5": (True, True, True, {"enabled", "disabled"}, ("low", "medium", "high"), False),
    "claude-sonnet-5-5": (False, False, False, {"adaptive", "between_tools"}, ALL, True),
    "claude-sonnet-5": (False, False, True, {"adaptive", "disabled"}, ALL, True),
    "claude-sonnet-4-6": (False, True, True, {"adaptive", "enabled", "disabled"}, NO_XHIGH, False),
    "claude-sonnet-4-5": (True, True, True, {"enabled", "disabled"}, (), False),
    "claude-haiku-5-5": (False, False, True, {"adaptive", "disabled"}, ALL, True),
    "claude-haiku-4-5": (True, True, True, {"enabled", "disabled"}, (), False),
}


@pytest.mark.parametrize("model", TAKES)
def test_what_each_model_takes(model: str) -> None:
    """What a change of the model runs into; the table is written from the documentation's own tables, not from the rows
    (api/errors, build-with-claude/{effort,thinking,thinking-troubleshooting}, 2026-08 to 2026-10)."""

    def takes(**members: Any) -> bool:
        try:
            passed(model, **members)
        except ApiError:
            return False
        return True

    prefill, sampling, forced, thinking, levels, thinks = TAKES[model]
    assert takes(messages=PREFILL) is prefill
    assert takes(temperature=0) is takes(top_k=5) is takes(top_p=0.5) is sampling
    assert takes(tools=TOOLS, tool_choice={"type": "any"}) is forced
    assert takes(tools=TOOLS, tool_choice={"type": "tool", "name": "t"}) is forced
    assert takes(tools=TOOLS, tool_choice={"type": "none"})
    for mode in ("adaptive", "disabled", "between_tools", "enabled"):
        budget = {"budget_tokens": 1024} if mode == "enabled" else {}
        assert takes(thinking={"type": mode, **budget}, max_tokens=4000) is (mode in thinking), mode
    assert tuple(level for level in ALL if takes(output_config={"effort": level})) == levels
    assert (TABLE.by_name[model].thinking_default == "on") is thinks
    assert takes(messages=[{"role": "user", "content": [IMAGE]}])

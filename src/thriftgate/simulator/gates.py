"""What one model accepts and another refuses: prefill, sampling, thinking, effort, forced tools, speed, geography, sizes.

Source: platform.claude.com/docs/en/api/errors, about-claude/models/overview, build-with-claude/{effort,thinking,fast-mode},
manage-claude/data-residency, 2026-08 to 2026-10. Wordings marked in `errors` are documented, the rest are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thriftgate.simulator import errors
from thriftgate.simulator.errors import invalid
from thriftgate.simulator.models import EFFORTS, Model
from thriftgate.simulator.render import Body, message_blocks, output_format


@dataclass(frozen=True, slots=True)
class Passed:
    """What the gates settled: speed as billed, speed as shown (None: not shown), geography as shown."""

    fast: bool
    shown_speed: str | None
    geo: str


def check_gates(
    body: Body, model: Model, betas: frozenset[str], now: float, *, default_geo: str = "global", batch: bool = False
) -> Passed:
    """Raises the 400 of the first gate that the request does not pass on this model."""
    _check_prefill(body, model)
    _check_sampling(body, model)
    _check_thinking(body, model, betas)
    _check_effort(body, model)
    _check_tool_choice(body, model)
    _check_sizes(body, model, betas, batch=batch)
    _check_max_tokens_zero(body, batch=batch)
    _check_roles(body, model)
    fast, shown = _check_speed(body, model, betas, now)
    return Passed(fast, shown, _check_geo(body, model, default_geo))


def _check_prefill(body: Body, model: Model) -> None:
    """Prefill: 400 on 4.6 and later; on older models not together with thinking or JSON outputs."""
    if body["messages"][-1]["role"] != "assistant":
        return
    mode = (body.get("thinking") or {}).get("type")
    if not model.prefill or mode == "enabled" or output_format(body):
        last = body["messages"][-1].get("content")
        if isinstance(last, list) and last and last[-1].get("type") in {"server_tool_use", "web_search_tool_result"}:
            return  # a paused turn sent back to go on (api/handling-stop-reasons) is no prefill
        raise invalid(errors.PREFILL)
    content = body["messages"][-1].get("content")
    text = content if isinstance(content, str) else (content[-1].get("text", "") if content else "")
    if text != text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _check_sampling(body: Body, model: Model) -> None:
    """Sampling parameters away from their default are 400 on 4.7 and later. Opus 4.1 and the 4.5 and 4.6 models take
    temperature or top_p, not both (see `errors.ONE_SAMPLER`; github.com/OpenHands/OpenHands/pull/12909, 2026-02)."""
    if model.sampling == "one" and body.get("temperature") is not None and body.get("top_p") is not None:
        raise invalid(errors.ONE_SAMPLER)
    if model.sampling != "default_only":
        return
    for name, default in (("temperature", 1), ("top_p", 1), ("top_k", None)):
        value = body.get(name)
        if value is not None and value != default:
            raise invalid(f"{name}: non-default values are not supported for this model")


def _check_thinking(body: Body, model: Model, betas: frozenset[str]) -> None:
    asked = body.get("thinking")
    if not asked:
        return
    mode = asked.get("type")
    if mode not in {"enabled", "adaptive", "disabled", "between_tools"}:
        raise invalid("thinking.type: Input should be 'enabled', 'adaptive', 'between_tools' or 'disabled'")
    if mode not in model.thinking:
        raise invalid(_thinking_refusal(mode))
    if mode in {"disabled", "between_tools"} and model.disable_max_effort:
        limit = EFFORTS.index(model.disable_max_effort)
        effort = (body.get("output_config") or {}).get("effort") or model.effort_default
        if effort in EFFORTS and EFFORTS.index(effort) > limit:
            raise invalid(
                f'"thinking.type.{mode}" is only supported with "output_config.effort" up to "{model.disable_max_effort}".'
            )
    if mode in {"enabled", "adaptive"}:
        _check_sampling_beside_thinking(body)
    if asked.get("block_binding") is not None and (
        errors.BINDING_CONTROLS not in betas or mode not in {"enabled", "adaptive"}
    ):
        # The 400: doc, build-with-claude/preserved-thinking, 2026-09; its wording: assumed.
        raise invalid(f"thinking.{mode}.block_binding: Extra inputs are not permitted")
    if mode == "enabled":
        _check_budget(body, asked)


def _check_sampling_beside_thinking(body: Body) -> None:
    """While thinking is on: no temperature but 1, no top_k, top_p from 0.95 on (build-with-claude/thinking, 2026-09)."""
    if body.get("temperature", 1) not in {None, 1}:
        raise invalid(errors.TEMPERATURE_THINKING)
    if body.get("top_k") is not None:
        raise invalid(errors.TOP_K_THINKING)
    top_p = body.get("top_p")
    if top_p is not None and top_p < 0.95:
        raise invalid(errors.TOP_P_THINKING)


def _thinking_refusal(mode: str) -> str:
    if mode == "enabled":
        return errors.THINKING_ENABLED
    if mode == "adaptive":
        return errors.ADAPTIVE_UNSUPPORTED
    if mode == "disabled":
        return errors.THINKING_DISABLED
    return f'"thinking.type.{mode}" is not supported for this model.'


def _check_budget(body: Body, asked: dict[str, Any]) -> None:
    budget = asked.get("budget_tokens")
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise invalid("thinking.enabled.budget_tokens: Field required")
    if budget < 1024:
        raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if body.get("max_tokens", budget + 1) <= budget and body.get("max_tokens") != 0:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _check_effort(body: Body, model: Model) -> None:
    config = body.get("output_config") or {}
    if config.get("task_budget") is not None:
        _check_task_budget(config["task_budget"], model)
    effort = config.get("effort")
    if effort is None:
        return
    if effort not in EFFORTS:
        raise invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if effort not in model.effort:
        if not model.effort:
            raise invalid("This model does not support the effort parameter.")
        raise invalid(
            f"output_config.effort: '{effort}' is not supported for this model. Supported: {', '.join(model.effort)}"
        )


def _check_task_budget(budget: object, model: Model) -> None:
    if not model.task_budget:
        raise invalid("output_config.task_budget: not supported for this model")
    total = budget.get("total") if isinstance(budget, dict) else None
    if not isinstance(total, int) or total < 20_000:
        raise invalid("output_config.task_budget.total: Input should be greater than or equal to 20000")


def _check_tool_choice(body: Body, model: Model) -> None:
    """A forced tool choice is 400 on Fable 5.1 and later, Opus 5.5 and Sonnet 5.5 (about-claude/pricing, 2026-10). Adaptive
    thinking goes with it elsewhere, a manual budget does not (build-with-claude/thinking, 2026-09)."""
    choice = (body.get("tool_choice") or {}).get("type")
    if choice in {"any", "tool"} and not model.forced_tools:
        raise invalid(errors.FORCED_TOOLS)


def _check_sizes(body: Body, model: Model, betas: frozenset[str], *, batch: bool) -> None:
    limit = model.max_output
    if batch and model.batch_300k and "output-300k-2026-03-24" in betas:
        limit = 300_000
    if body.get("max_tokens", 1) > limit:
        raise invalid(
            f"max_tokens: {body['max_tokens']} > {limit}, which is the maximum allowed number of "
            f"output tokens for {model.id}"
        )
    images = sum(1 for _, _, block in message_blocks(body) for part in _with_nested(block) if part.get("type") == "image")
    if images > model.max_images:
        raise invalid(f"messages: too many images: {images} images > {model.max_images} maximum")


def _with_nested(block: dict[str, Any]) -> list[dict[str, Any]]:
    nested = block.get("content") if block.get("type") == "tool_result" else None
    return [block, *(part for part in nested if isinstance(part, dict))] if isinstance(nested, list) else [block]


def _check_max_tokens_zero(body: Body, *, batch: bool) -> None:
    """Pre-warming (build-with-claude/prompt-caching, 2026-10): what may not go with max_tokens 0."""
    if body.get("max_tokens") != 0:
        return
    clash = None
    if batch:
        clash = "in a message batch"
    elif body.get("stream"):
        clash = "with stream"
    elif (body.get("thinking") or {}).get("type") == "enabled":
        clash = "with thinking.type enabled"
    elif output_format(body):
        clash = "with output_config.format"
    elif (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        clash = "with tool_choice any or tool"
    if clash:
        raise invalid(f"max_tokens: 0 is not supported {clash}")


def _check_roles(body: Body, model: Model) -> None:
    """Mid-conversation system messages: Fable 5+, Mythos 5+, Opus 4.8, Opus 5+ (build-with-claude/prompt-caching,
    2026-10)."""
    if not model.system_messages:
        for number, message in enumerate(body["messages"]):
            if message["role"] == "system":
                raise invalid(
                    f'messages.{number}: role "system" is not supported for this model. '
                    "Use the top-level `system` parameter."
                )


def _check_speed(body: Body, model: Model, betas: frozenset[str], now: float) -> tuple[bool, str | None]:
    """build-with-claude/fast-mode, 2026-10."""
    speed = body.get("speed")
    if speed is None:
        return False, None
    if speed not in {"standard", "fast"}:
        raise invalid("speed: Input should be 'standard' or 'fast'")
    if speed == "standard" or model.fast_ignored_at(now):
        return False, "standard"
    offer = model.fast_at(now)
    if offer is None:
        raise invalid("speed: fast mode is not supported for this model")
    if offer.beta and offer.beta not in betas:
        raise invalid(f"speed: fast mode on this model needs the beta header {offer.beta}")
    return True, "fast"


def _check_geo(body: Body, model: Model, default_geo: str) -> str:
    """manage-claude/data-residency, 2026-08: 4.6 and later; the parameter on an older model is a 400."""
    asked = body.get("inference_geo")
    if not model.geo:
        if asked is not None:
            raise invalid("inference_geo: not supported for this model")
        return "not_available"
    if asked not in {None, "global", "us"}:
        raise invalid("inference_geo: Input should be 'global' or 'us'")
    return str(asked or default_geo)

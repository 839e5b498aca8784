"""The same request for another model: parameters that it does not take are translated, or the change is not made.

Sources: platform.claude.com/docs/en/about-claude/models/migration-guide and …/build-with-claude/{thinking,effort,
preserved-thinking}, 2026-10; what each model takes stands in `core/models.toml`.
"""

from __future__ import annotations

from typing import get_args

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.blocks import lenient
from thriftgate.core.cost import day_of
from thriftgate.core.memo import Turn
from thriftgate.core.models import Capabilities, Effort
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit

EFFORTS: tuple[str, ...] = get_args(Effort)
SMALL_WINDOW_TOKENS, SMALL_WINDOW_IMAGES = 200_000, 100
"""Images that a model reads whose window is no larger (platform.claude.com/docs/en/build-with-claude/vision, 2026-08)."""
_FORCED = frozenset({"any", "tool"})
_NULL = b"null"


class Unfit(Struct, frozen=True):
    """The request cannot be served by that model. `reason` is one sentence for `explain`."""

    reason: str


class Retargeted(Struct, frozen=True):
    """The edits that turn the request into one for the other model, and what was translated, in words."""

    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()


class _Choice(Struct):
    type: str = "auto"


class _Thinking(Struct):
    type: str = ""


class _Config(Struct):
    effort: str | None = None
    task_budget: Raw | UnsetType = UNSET


class _Role(Struct):
    role: str = ""


def retarget(
    request: Request, turns: tuple[Turn, ...], served: Capabilities, *, effort: str = "", now_s: float = 0.0
) -> Retargeted | Unfit:
    """The request for `served`, with `effort` where one is given. Pure; the request itself is not changed."""
    reason = _unfit(request, turns, served, day_of(now_s))
    if reason:
        return Unfit(reason)
    edits = [Edit(("model",), msgspec.json.encode(served.id))]
    notes: list[str] = []
    for translate in (_sampling, _thinking):
        outcome = translate(request, served)
        if isinstance(outcome, Unfit):
            return outcome
        edits += outcome.edits
        notes += outcome.notes
    told = _effort(
        request, served, effort, forbids_thinking=any(edit.path == ("thinking",) and _off(edit) for edit in edits)
    )
    if isinstance(told, Unfit):
        return told
    return Retargeted((*edits, *told.edits), (*notes, *told.notes))


def _unfit(request: Request, turns: tuple[Turn, ...], served: Capabilities, day: int) -> str:
    """Why the request cannot be served by that model, or ""."""
    members = request.members
    name = served.id
    last = lenient(turns[-1].text[turns[-1].lead :], _Role) if turns else None
    checks = (
        (not served.known, f"{name} is not in the capability table"),
        (served.is_retired(day), f"{name} is retired"),
        (request.in_thread, "the provider holds this conversation"),
        ("fallbacks" in members and request.raw("fallbacks") != _NULL, "the call names fallbacks of its own"),
        (request.mode == "fast" and not served.has_fast(day), f"{name} has no fast mode"),
        (request.mode == "fast" and bool(served.fast_beta), f"fast mode of {name} needs a beta header of its own"),
        (bool(request.geo) and not served.geo, f"{name} cannot be held to an inference geography"),
        (
            request.max_tokens > served.output_tokens_max,
            f"max_tokens is {request.max_tokens}, and {name} writes {served.output_tokens_max} at most",
        ),
        (last is not None and last.role == "assistant" and not served.prefill, f"{name} takes no prefilled answer"),
        (
            not served.mid_conversation_system and b'"system"' in request.raw("messages") and _has_system(turns),
            f"{name} takes no system messages within a conversation",
        ),
        (not served.forced_tool_choice and _forces_a_tool(request), f"{name} takes no forced tool choice"),
        (not served.task_budget and _has_budget(request), f"{name} takes no task budget"),
        (
            served.context_tokens <= SMALL_WINDOW_TOKENS and _images(turns) > SMALL_WINDOW_IMAGES,
            f"{name} reads {SMALL_WINDOW_IMAGES} images at most",
        ),
    )
    return next((reason for holds, reason in checks if holds), "")


def thinks(turns: tuple[Turn, ...]) -> bool:
    """Whether thinking was sent back: it is bound to the model that wrote it, and another one loses it."""
    return any(turn.run.thinks for turn in turns)


def _has_system(turns: tuple[Turn, ...]) -> bool:
    roles = (lenient(turn.text[turn.lead :], _Role) for turn in turns)
    return any(role is not None and role.role == "system" for role in roles)


def _images(turns: tuple[Turn, ...]) -> int:
    """Images in the messages, those in tool results included; texts that speak of them count as well."""
    return sum(turn.text.count(b'"image"') for turn in turns if turn.run.has_image)


def _forces_a_tool(request: Request) -> bool:
    choice = lenient(request.raw("tool_choice"), _Choice) if "tool_choice" in request.members else None
    return choice is not None and choice.type in _FORCED


def _has_budget(request: Request) -> bool:
    config = lenient(request.raw("output_config"), _Config) if "output_config" in request.members else None
    return config is not None and config.task_budget is not UNSET and bytes(config.task_budget) != _NULL


def _sampling(request: Request, served: Capabilities) -> Retargeted | Unfit:
    """Sampling parameters at their default say nothing and can be left out; others cannot be honoured. Models that take any
    take temperature or top_p, not both (Opus 4.1 and the 4.5 and 4.6 models; migration guide, 2026-08)."""
    both = "temperature" in request.members and "top_p" in request.members
    if served.sampling and not both:
        return Retargeted(())
    edits: list[Edit] = []
    kept: list[str] = []
    for key, default in (("temperature", 1.0), ("top_p", 1.0), ("top_k", None)):
        if key not in request.members:
            continue
        value = lenient(request.raw(key), float)
        if value is None or value == default:
            edits.append(Edit((key,), None))
        else:
            kept.append(key)
    if kept and not served.sampling:
        return Unfit(f"{served.id} takes no {kept[0]}")
    if kept[:2] == ["temperature", "top_p"]:
        return Unfit(f"{served.id} takes temperature or top_p, not both")
    return Retargeted(tuple(edits), ("sampling parameters at their defaults left out",) if edits else ())


def _thinking(request: Request, served: Capabilities) -> Retargeted | Unfit:
    """What is asked of thinking, in the words that the other model takes."""
    raw = request.raw("thinking")
    asked = lenient(raw, _Thinking) if raw and raw != _NULL else None
    if asked is None or asked.type in served.thinking:
        return Retargeted(())
    if asked.type in ("disabled", "between_tools"):
        instead = next((way for way in ("disabled", "between_tools") if way in served.thinking), "")
        if not instead and (served.thinking_always_on or served.thinking_default_on):
            return Unfit(f"{served.id} always thinks, and the call wants none")
    else:
        instead = "adaptive" if "adaptive" in served.thinking else ""
        if not instead and served.thinking:
            return Unfit(f"{served.id} wants a thinking budget, and the call names none")
    value = msgspec.json.encode({"type": instead}) if instead else None
    return Retargeted((Edit(("thinking",), value),), (f"thinking {asked.type} became {instead or 'the default'}",))


def _off(edit: Edit) -> bool:
    return edit.value is not None and b"disabled" in edit.value


def _effort(request: Request, served: Capabilities, wanted: str, *, forbids_thinking: bool) -> Retargeted | Unfit:
    """The effort of the arm, or the caller's own, brought down to what the model knows."""
    config = lenient(request.raw("output_config"), _Config) if "output_config" in request.members else None
    asked = (config.effort or "") if config is not None else ""
    effort = wanted or asked
    if not effort:
        return Retargeted(())
    if not served.effort:
        if wanted:
            return Unfit(f"{served.id} knows no effort levels")
        return Retargeted((Edit(("output_config", "effort"), None),), (f"effort {asked} left out",))
    if effort not in served.effort:
        lower = [level for level in served.effort if effort in EFFORTS and EFFORTS.index(level) <= EFFORTS.index(effort)]
        if not lower:
            return Unfit(f"{served.id} does not know effort {effort}")
        effort = lower[-1]
    top = served.thinking_off_effort_max
    off = forbids_thinking or b"disabled" in request.raw("thinking") or b"between_tools" in request.raw("thinking")
    if off and top and EFFORTS.index(effort) > EFFORTS.index(top):
        return Unfit(f"{served.id} cannot go without thinking at effort {effort}")
    return _with_effort(effort, asked, has_config=config is not None)


def _with_effort(effort: str, asked: str, *, has_config: bool) -> Retargeted:
    if effort == asked:
        return Retargeted(())
    value = msgspec.json.encode(effort)
    edit = Edit(("output_config", "effort"), value) if has_config else Edit(("output_config",), b'{"effort":%b}' % value)
    return Retargeted((edit,), (f"effort {asked or 'by default'} became {effort}",))

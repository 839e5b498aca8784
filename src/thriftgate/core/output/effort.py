"""`output.effort`: less effort, and thinking switched off or left to the model, where the model and the conversation allow.

Source: platform.claude.com/docs/en/build-with-claude/{effort,thinking,context-editing}, 2026-10; what each model takes is
written in `core/models.toml`.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.models import Capabilities
from thriftgate.core.output.facts import Facts, Told, barred, editable, literal, may_think, said
from thriftgate.core.output.rules import OutputRule
from thriftgate.core.request import Request
from thriftgate.core.routing.retarget import EFFORTS
from thriftgate.core.splice import Edit

_OFF = ("disabled", "between_tools")


class Tuned(Struct, frozen=True):
    """`config` are members of `output_config`; `thinks` says whether the call may still think."""

    told: Told
    thinks: bool
    edits: tuple[Edit, ...] = ()
    config: tuple[tuple[str, bytes], ...] = ()


def tuned(request: Request, facts: Facts, rule: OutputRule, capability: Capabilities, *, begun: bool, warm: bool) -> Tuned:
    """The effort and the thinking mode that the rule orders; each is left as it is where it cannot be had.

    Effort is never raised. Switched off is thinking that the client left to the model, by saying nothing or `adaptive`; a
    client that names a budget wants it. It is not switched within a tool loop that has begun with it, nor where the call
    itself says what becomes of thinking blocks, which it may only say while thinking is on.
    """
    if not (rule.effort or rule.thinking):
        return Tuned(Told(applied=False, reason="the rule orders neither effort nor thinking"), facts.thinks)
    reason = barred(facts, capability, begun=begun, warm=warm, head=False)
    if reason:
        return Tuned(Told(applied=False, reason=reason), facts.thinks)
    effort, words = _effort(facts, rule, capability)
    mode, more = _mode(request, facts, rule, capability, effort or facts.effort)
    edits: tuple[Edit, ...] = ()
    if mode == "adaptive":
        edits = (Edit(("thinking", "type"), b'"adaptive"'), Edit(("thinking", "budget_tokens"), None))
    elif mode:
        edits = (Edit(("thinking",), literal({"type": mode})),)
    told = Told(applied=bool(effort or mode), reason="; ".join(word for word in (words, more) if word))
    config = (("effort", literal(effort)),) if effort else ()
    return Tuned(told, may_think(mode or facts.mode, capability, acts=facts.acts), edits, config)


def _effort(facts: Facts, rule: OutputRule, capability: Capabilities) -> tuple[str, str]:
    """The level to ask for, "" for none, and what to tell."""
    if not rule.effort:
        return "", ""
    if not capability.effort:
        return "", f"{capability.id} knows no effort levels"
    if facts.effort not in EFFORTS or not facts.readable:
        return "", "the effort that is asked for has a form that is not known"
    wanted = EFFORTS.index(rule.effort)
    known = [level for level in capability.effort if EFFORTS.index(level) <= wanted]
    if not known:
        return "", f"{capability.id} does not know effort {rule.effort}"
    if EFFORTS.index(known[-1]) >= EFFORTS.index(facts.effort):
        return "", f"effort is {facts.effort} already"
    return known[-1], f"effort {facts.asked_effort or 'by default'} became {known[-1]}"


def _mode(request: Request, facts: Facts, rule: OutputRule, capability: Capabilities, effort: str) -> tuple[str, str]:
    """The thinking type to ask for, "" for none, and what to tell. `effort` is the one that will be in force."""
    if not rule.thinking:
        return "", ""
    if facts.loops and facts.thought:
        return "", "thinking stays as the tool loop began with it"
    if rule.thinking == "adaptive":
        if facts.mode != "enabled" or "adaptive" not in capability.thinking or not editable(request, "thinking"):
            return "", "the call has no thinking budget that could become adaptive"
        return "adaptive", f"a thinking budget of {facts.budget} tokens became adaptive"
    if not facts.thinks:
        return "", "the call does not think"
    off = next((way for way in _OFF if way in capability.thinking), "")
    top = capability.thinking_off_effort_max
    checks = (
        (not off, f"{capability.id} always thinks"),
        (off == facts.mode, "the call thinks between tools only, as little as it can"),
        (facts.mode not in ("", "adaptive"), "the call asks for thinking with a budget of its own"),
        (facts.binds, "the call says what becomes of thinking that does not fit its prefix"),
        (
            said(request, "context_management") and b"clear_thinking" in request.raw("context_management"),
            "the call clears thinking, which must be on for that",
        ),
        (
            bool(top) and effort in EFFORTS and EFFORTS.index(effort) > EFFORTS.index(top),
            f"{capability.id} cannot go without thinking at effort {effort}",
        ),
    )
    reason = next((reason for holds, reason in checks if holds), "")
    return ("", reason) if reason else (off, "thinking is off" if off == "disabled" else "thinking is left to tool loops")

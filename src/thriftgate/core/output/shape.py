"""Shapes a call's output by a rule: what is asked of the answer, in the words and parameters that the model at hand takes.

    rules.py          which rule a call meets
    facts.py          what of the call decides what may be done to it
    directive.py      what is said at the end of the system prompt
    effort.py         effort and thinking
    structured.py     schemas of answers and tools, within schema_limits.py

Nothing is asked that the API would refuse, and nothing that breaks a conversation: what belongs to the prompt is changed at
the first call, or where the conversation has been shaped so from its first call on (`begun`), or where the cache holds
nothing of it (not `warm`). A conversation that has begun with a rule must keep to it: `Shaped.in_prompt` says so.

Source: platform.claude.com/docs/en/api/messages, …/build-with-claude/{structured-outputs,thinking,prompt-caching}, 2026-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.memo import Turn
from thriftgate.core.models import Capabilities
from thriftgate.core.output.directive import LEVERS, at_the_end, directive, prefill_of, schema_instead
from thriftgate.core.output.effort import tuned
from thriftgate.core.output.facts import Facts, Told, barred, facts_of, joined, literal, said
from thriftgate.core.output.rules import BREVITY, CAP, EARLY_STOP, EFFORT, PREFILL, SCHEMA, STOP, OutputRule
from thriftgate.core.output.schema_limits import holds_to_schema
from thriftgate.core.output.structured import format_aside, format_of, strict_edits
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit


class Shaped(Struct, frozen=True):
    """The edits, and what the engine does with the answer. `told` holds one sentence for each lever that is on.

    `full_tokens`: the client's own max_tokens, for an answer that is cut below it; 0 where none was lowered. `stops`: the
    sequences that were added: an answer that ends at one of them has ended its turn. `prefilled` stands before the first
    text of the answer as the client sees it. `until`: where the answer may be ended. `schema`: what it is held against, b""
    nothing; `fences`: code fences around it may go; `repair`: it may be asked for once more. `in_prompt`: tools, system,
    effort or format were changed.
    """

    edits: tuple[Edit, ...]
    told: Mapping[str, Told]
    full_tokens: int = 0
    stops: tuple[str, ...] = ()
    prefilled: str = ""
    until: str = ""
    schema: bytes = b""
    fences: bool = False
    repair: bool = False
    in_prompt: bool = False


def shape(
    request: Request,
    turns: tuple[Turn, ...],
    rule: OutputRule,
    capability: Capabilities,
    *,
    levers: frozenset[str],
    cap_tokens: int | None = None,
    begun: bool = False,
    warm: bool = True,
    now_s: float = 0.0,
) -> Shaped:
    """The request's output shaped by the rule, as far as the `levers` that are on allow. Pure; done twice is done once.

    `cap_tokens` is the learned length, thinking included, None before enough answers were seen. `begun` and `warm` are
    explained at `facts.barred`.
    """
    facts = facts_of(request, turns, capability, now_s)
    if facts.aside:
        return Shaped((), {lever: _no(facts.aside) for lever in LEVERS if lever in levers})
    making = _Making(request, turns, rule, capability, facts, levers, begun, warm, facts.thinks)
    for lever, make in (
        (EFFORT, making.effort),
        (SCHEMA, making.schema),
        (STOP, making.stop),
        (EARLY_STOP, making.early_stop),
        (PREFILL, making.prefill),
    ):
        if lever in levers:
            making.told[lever] = make()
    making.say()
    if CAP in levers:
        making.told[CAP] = making.cap(cap_tokens)
    return making.shaped()


def _no(reason: str) -> Told:
    return Told(applied=False, reason=reason)


def _yes(reason: str) -> Told:
    return Told(applied=True, reason=reason)


@dataclass(slots=True)
class _Making:
    """One request on its way through the levers; each of them adds its edits and tells what became of it."""

    request: Request
    turns: tuple[Turn, ...]
    rule: OutputRule
    capability: Capabilities
    facts: Facts
    levers: frozenset[str]
    begun: bool
    warm: bool
    thinks: bool
    told: dict[str, Told] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    config: dict[str, bytes] = field(default_factory=dict)
    stops: tuple[str, ...] = ()
    prefilled: str = ""
    until: str = ""
    full_tokens: int = 0
    held: bool = False
    fences: bool = False
    in_prompt: bool = False

    def shaped(self) -> Shaped:
        """All of it."""
        return Shaped(
            (*self.edits, *self._config_edits()),
            self.told,
            full_tokens=self.full_tokens,
            stops=self.stops,
            prefilled=self.prefilled,
            until=self.until,
            schema=self.rule.schema if self.held else b"",
            fences=self.fences,
            repair=self.held and self.rule.repair,
            in_prompt=self.in_prompt or bool(self.config),
        )

    def _config_edits(self) -> list[Edit]:
        if not self.config:
            return []
        if not said(self.request, "output_config"):
            members = (b'"%b":%b' % (name.encode(), value) for name, value in self.config.items())
            return [Edit(("output_config",), b"{" + b",".join(members) + b"}")]
        return [Edit(("output_config", name), value) for name, value in self.config.items()]

    def _barred(self, *, head: bool) -> str:
        return barred(self.facts, self.capability, begun=self.begun, warm=self.warm, head=head)

    # --- parameters --------------------------------------------------------------------------------------------------

    def effort(self) -> Told:
        """Effort and thinking."""
        found = tuned(self.request, self.facts, self.rule, self.capability, begun=self.begun, warm=self.warm)
        self.edits += found.edits
        self.config |= dict(found.config)
        self.thinks = found.thinks
        self.in_prompt |= bool(found.edits)
        return found.told

    def cap(self, learned: int | None) -> Told:
        """A lower max_tokens. Tool calls that are cut cannot be taken up again, so agents are left alone; thinking counts
        towards the limit, and only a learned length knows of it."""
        asked, facts = self.request.max_tokens, self.facts
        limit = learned if self.rule.cap == "learned" else int(self.rule.cap)
        if not self.rule.cap:
            return _no("the rule names no cap")
        if limit is None or limit < 1:
            return _no("too few answers were seen to know how long they are")
        checks = (
            (asked == 0, "the call has no answer to cap"),
            (facts.acts or facts.loops, "a call of a tool that is cut is lost, so calls with tools are not capped"),
            (limit >= asked, f"the call asks for {asked} tokens at most, no more than the cap of {limit}"),
            (
                self.thinks and self.rule.cap != "learned",
                "thinking counts towards max_tokens, and only a learned cap leaves room for it",
            ),
            (self.thinks and facts.budget >= limit, f"thinking alone may take {facts.budget} tokens"),
        )
        reason = next((reason for holds, reason in checks if holds), "")
        if reason:
            return _no(reason)
        self.full_tokens = asked
        self.edits.append(Edit(("max_tokens",), literal(limit)))
        return _yes(f"max_tokens {asked} became {limit}; an answer that is cut is asked for again at the full limit")

    def stop(self) -> Told:
        """Further stop sequences behind the client's own."""
        request, wanted = self.request, tuple(dict.fromkeys(one for one in self.rule.stop if one.strip()))
        raw = request.raw("stop_sequences") if said(request, "stop_sequences") else b"[]"
        own = lenient(raw, list[str])
        if not wanted:
            return _no("the rule names no stop sequences")
        if own is None:
            return _no("stop_sequences has a form that is not known")
        added = tuple(one for one in wanted if one not in own)
        checks = (
            (self.facts.acts or self.facts.loops, "what a model says between calls of tools is not to be cut"),
            (self.facts.has_format or "format" in self.config, "JSON that stops at a sequence would be broken"),
            (not added, "the call stops at them already"),
        )
        reason = next((reason for holds, reason in checks if holds), "")
        if reason:
            return _no(reason)
        self.stops = added
        self.edits.append(Edit(("stop_sequences",), joined(raw, *(literal(one) for one in added))))
        return _yes(f"the answer also stops at {', '.join(repr(one) for one in added)}")

    def early_stop(self) -> Told:
        """Where the answer may be ended. A part of an answer that acts, or that is cited from, is worth nothing."""
        facts = self.facts
        checks = (
            (not self.rule.until, "the rule does not say when an answer is complete"),
            (facts.warms, "the call has no answer"),
            (facts.acts or facts.loops, "an answer that may call tools is read to its end"),
            (facts.cites, "an answer with citations is read to its end"),
        )
        reason = next((reason for holds, reason in checks if holds), "")
        if reason:
            return _no(reason)
        self.until = self.rule.until
        return _yes(f"the answer is ended at: {self.until}")

    def schema(self) -> Told:
        """The provider holds answer and tools to their schemas. Models that it cannot hold are told so in words (`say`)."""
        rule, held = self.rule, holds_to_schema(self.capability)
        words: list[str] = []
        if rule.schema and held:
            aside = format_aside(self.request, self.facts, rule, bar=self._barred(head=True))
            if not aside:
                self.held = True
                self.config.update([format_of(rule)])
            words.append(aside or "the answer is held to the schema")
        if rule.strict_tools:
            edits, told = strict_edits(self.request, self.facts, rule, self.capability, begun=self.begun, warm=self.warm)
            self.edits += edits
            self.in_prompt |= bool(edits)
            words.append(told)
        if not words:
            words.append("the rule names no schema")
        return Told(applied=self.held or bool(self.edits and self.edits[-1].path[0] == "tools"), reason="; ".join(words))

    def prefill(self) -> Told:
        """The first words of the answer, as the last message. Models that take none are told in words (`say`)."""
        text, facts = prefill_of(self.rule), self.facts
        checks = (
            (not text, "the rule names nothing that answers begin with"),
            (
                not self.capability.prefill,
                "the schema sees to how the answer begins"
                if schema_instead(self.rule, self.levers, self.capability)
                else f"{self.capability.id} takes no prefilled answer",
            ),
            (facts.warms, "the call has no answer"),
            (facts.last_role != "user", "the answer has begun already"),
            (facts.acts or facts.loops, "an answer that has begun can call no tool first"),
            (self.thinks, "a prefilled answer does not go with thinking"),
            (facts.has_format or "format" in self.config, "a prefilled answer does not go with structured outputs"),
            (facts.cites, "a prefilled answer could not be cited from"),
            (
                said(self.request, "cache_control"),
                "the call's automatic breakpoint would stand on it, and no later call would find that",
            ),
        )
        reason = next((reason for holds, reason in checks if holds), "")
        if reason:
            return _no(reason)
        last = self.turns[-1]
        message = b'{"role":"assistant","content":' + literal(text) + b"}"
        self.edits.append(Edit(("messages", len(self.turns) - 1), last.text[last.lead :] + b"," + message))
        self.prefilled = text
        return _yes(f"the answer begins with {text!r}")

    # --- words -------------------------------------------------------------------------------------------------------

    def say(self) -> None:
        """All that has to be said in words, in one block at the end of the system prompt."""
        texts = directive(self.rule, self.levers, self.capability)
        if BREVITY in self.levers and BREVITY not in texts:
            self.told[BREVITY] = _no("the rule names no length")
        if not texts:
            return
        edit = self._barred(head=True) or at_the_end(self.request, "\n\n".join(texts.values()))
        if isinstance(edit, Edit):
            self.edits.append(edit)
        stands = not isinstance(edit, str)
        self.in_prompt |= stands
        if SCHEMA in texts and stands:
            self.held = self.fences = not self.facts.has_format and not self.facts.warms
        for lever in texts:
            if isinstance(edit, str):
                self.told[lever] = _no(edit)
            elif edit is None:
                self.told[lever] = _no("the system prompt says so already")
            else:
                self.told[lever] = _yes(_SAID[lever])


_SAID = {
    BREVITY: "the system prompt ends with the length that is wanted",
    PREFILL: "the model takes no prefilled answer, so the system prompt says how to begin",
    SCHEMA: "the model cannot be held to a schema, so the system prompt asks for it",
}

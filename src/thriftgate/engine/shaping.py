"""What is asked of a call's answer: the rule that it meets, the cap that was learned, and what comes of them.

The shaping itself is pure (`core/output/shape.py`); here is what it must know of the conversation and of earlier answers.

A conversation whose prompt was changed by a rule goes on with it as long as that rule stands, whatever rule its later turns
meet; where its thinking is bound to the prompt, it does so even when the rule or the lever is gone. A rule with which the
provider refused a call rests for a while at that call site.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError
from thriftgate.core.generations import Generations
from thriftgate.core.levers.output_cap import OutputCap
from thriftgate.core.levers.output_early_stop import OutputEarlyStop
from thriftgate.core.money import price_tokens
from thriftgate.core.output.directive import LEVERS
from thriftgate.core.output.lengths import Site, Worth
from thriftgate.core.output.rules import OutputRule, first_met, refined
from thriftgate.core.output.shape import Shaped, shape
from thriftgate.core.plan import Policy
from thriftgate.core.prefix import read_prefix
from thriftgate.core.prices import Terms
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.kinds import kind_of
from thriftgate.core.routing.retarget import thinks
from thriftgate.core.routing.task import asked_text, surroundings, system_text
from thriftgate.core.splice import apply
from thriftgate.core.state import State
from thriftgate.engine.call import Call
from thriftgate.engine.manners import Manner, Manners, places
from thriftgate.engine.routing import Router
from thriftgate.engine.snapshot import Knowledge
from thriftgate.logs import log, where_raised

CAP, EARLY_STOP = OutputCap.id, OutputEarlyStop.id
RESTS_S = 3_600.0
SITES = 2_000
REFUSED = "the provider refused a call like this one as it was shaped; tried again within the hour"


class OutputTable(Struct, frozen=True):
    """The rules, and the share of answers that a learned cap may cut at most."""

    rules: tuple[OutputRule, ...] = ()
    cap_rate: float = 0.02


NOTHING_ASKED = OutputTable()
UNSHAPED = Shaped((), {})


class Wanted(Struct, frozen=True):
    """What was asked of an answer. `site` is the call site that its length is booked under, `plain` the same without
    anything asked; `cap` the limit that was set instead of the client's own, None for that; `beyond` how long answers
    are that it cuts, 0 where that is not known (tokens). `rule` is the name of the rule at this call site. `unsure`: the
    conversation is bound to its prompt, and nobody knows whether that was shaped."""

    shaped: Shaped
    site: Site
    plain: Site
    cap: int | None = None
    beyond: int = 0
    rule: Site = ()
    unsure: bool = False


class _Asked(NamedTuple):
    """The manner in which a call is asked, and whether its conversation has been asked so from its beginning; `noted` is how
    it has been asked, where that is known. `aside`: why nothing more is asked."""

    manner: Manner | None
    begun: bool = False
    noted: Manner | None = None
    aside: str = ""


class Shaper:
    """One per engine."""

    def __init__(self, table: OutputTable, manners: Manners, router: Router, knowledge: Knowledge) -> None:
        self.table = table
        self._manners = manners
        self._router = router
        self._knowledge = knowledge
        self._resting: Generations[Site, float] = Generations(SITES)

    def shape(
        self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float
    ) -> tuple[Rewritten, Wanted | None]:
        """The call with what its rule asks of the answer; one without max_tokens, whose tokens are counted, as it would be
        asked. Whatever fails, the call goes out as it is."""
        levers = tuple(lever for lever in LEVERS if lever in policy.levers)
        request = rewritten.request
        warms = not request.max_tokens and "max_tokens" in request.members
        if warms or not (self.table.rules or self._may_be_bound(request)):
            return rewritten, None
        if rewritten.tries:
            return _aside(rewritten, levers, "the answer is a try, which is judged as it comes"), None
        try:
            return self._shaped(rewritten, call, key, levers, now_s)
        except InputError:  # the planner says what is wrong with it
            return rewritten, None
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            log.error("answer not shaped", error=type(error).__name__, at=where_raised(error))
            return _aside(rewritten, levers, f"failed with {type(error).__name__}"), None

    def refused(self, rule: Site, now_s: float) -> None:
        """The provider refused a call that was shaped by this rule, and took it as it came: let the rule rest there."""
        self._resting[rule] = now_s + RESTS_S
        log.warning("shaped call refused", model=rule[1], task=rule[2], rule=rule[-1])

    def _shaped(
        self, rewritten: Rewritten, call: Call, key: str, levers: tuple[str, ...], now_s: float
    ) -> tuple[Rewritten, Wanted | None]:
        request = rewritten.request
        state = self._knowledge.snapshot(request, key, now_s, outlook=False, upstream=call.upstream).state
        task = rewritten.route.task if rewritten.route is not None else ""
        task = task or self._router.task_of(request, key, call.headers)
        site = (key, request.model, task, "")
        original = rewritten.original  # a history that was shortened is known by what the client sent
        prefix = read_prefix(original, state.capability, self._knowledge.parts, key.encode()) if original else state.prefix
        ends = places(prefix, key, state.capability.id)
        noted = ends if request.max_tokens else []  # a prompt that is only counted goes nowhere
        asked = self._asked(state, request, site, levers, call, before=self._manners.of(ends[:-1]))
        manner = asked.manner
        if asked.aside:
            rewritten = _aside(rewritten, levers, asked.aside)
        elif manner is not None:
            missing = tuple(lever for lever in levers if lever not in manner.levers)
            rewritten = _aside(rewritten, missing, "the conversation began without it")
        if manner is None:
            self._note(noted, None)
            return rewritten, Wanted(UNSHAPED, site, site)
        rule, on, aside = _possible(manner, request, call)
        learned = CAP in on and rule.cap == "learned"
        shaped = self._made(rule, on - {CAP} if learned else on, state, request, begun=asked.begun)
        acting = tuple(lever for lever in LEVERS if lever != CAP and lever in shaped.told and shaped.told[lever].applied)
        asked_so = (*site[:3], Manner(manner.rule, acting).name()) if acting else site
        worth: Worth | None = None
        why = ""
        if learned:  # from answers that are asked for in the same way
            worth, why = self._learned(asked_so, state, request)
            cap = worth.cap if worth is not None else None
            shaped = self._made(rule, on, state, request, begun=asked.begun, cap_tokens=cap)
        changes = {lever: Change(one.applied, one.reason) for lever, one in shaped.told.items()} | aside
        if why and CAP in changes and not changes[CAP].applied:
            changes[CAP] = Change(False, why)
        began = asked.noted or manner.as_acting(shaped.told, state.capability)
        self._note(noted, began if shaped.in_prompt else None)
        fresh = parse_request(apply(request.body, shaped.edits), needs_max_tokens=False) if shaped.edits else request
        wanted = Wanted(
            shaped,
            site=asked_so,
            plain=site,
            cap=fresh.max_tokens if shaped.full_tokens else None,
            beyond=round(worth.without) if worth is not None else 0,
            rule=(*site[:3], manner.rule.name),
            unsure=not asked.begun and _is_bound(state),
        )
        return replace(rewritten, request=fresh, changes={**rewritten.changes, **changes}), wanted

    def _made(
        self,
        rule: OutputRule,
        levers: frozenset[str],
        state: State,
        request: Request,
        *,
        begun: bool,
        cap_tokens: int | None = None,
    ) -> Shaped:
        return shape(
            request,
            state.prefix.turns,
            rule,
            state.capability,
            levers=levers,
            cap_tokens=cap_tokens,
            begun=begun,
            warm=_is_warm(state),
            now_s=state.now_s,
        )

    def _asked(
        self, state: State, request: Request, site: Site, levers: tuple[str, ...], call: Call, *, before: Manner | None
    ) -> _Asked:
        """What is asked of this answer. `before` is how the conversation was asked until now."""
        turns, bound = state.prefix.turns, _is_bound(state)
        instructions, text = system_text(request), asked_text(turns)
        kind = refined(kind_of(instructions, text, surroundings(request, turns, site[2], 0)), instructions, text)
        rule = first_met(self.table.rules, site[2], kind, site[0]) if levers else None
        rests = rule is not None and (self._resting.get((*site[:3], rule.name)) or 0.0) > state.now_s
        aside = call.plainly or (REFUSED if rests else "")
        if before is not None and (bound or (not aside and before.holds(self.table.rules, levers))):
            going_on = before.going_on(None if aside else rule, () if aside else levers)
            return _Asked(going_on, begun=True, noted=before, aside=aside)
        if rule is None or aside:
            return _Asked(None, aside=aside)
        manner = Manner(rule, levers)
        return _Asked(manner, begun=call.begun)

    def _note(self, ends: list[bytes], manner: Manner | None) -> None:
        """How the conversation has been asked up to here. That nothing was is only worth noting where something was."""
        if ends and (manner is not None or self._manners.of(ends) is not None):
            self._manners.note(ends[-1], manner)

    def _may_be_bound(self, request: Request) -> bool:
        """Whether this may be a conversation that must go on as it began, though nothing is asked any more; or begin like
        one that did, and go on otherwise."""
        return self._manners.any and self._knowledge.models[request.model].prefix_bound_thinking

    def _learned(self, site: Site, state: State, request: Request) -> tuple[Worth | None, str]:
        """The cap that was learned, or why there is none. It is set only where it is expected to save something."""
        lengths, rate = self._knowledge.lengths, self.table.cap_rate
        bound = lengths.cap(site, rate)
        if bound is None:
            return None, lengths.why_none(site, rate)
        terms = Terms(request.model, day_of(state.now_s), request.mode, request.geo or "global")
        rates = self._knowledge.book.rates(terms, state.cumulative[-1] if state.cumulative else 0)
        again = price_tokens(state.cumulative[-1] if state.cumulative else 0, rates.input)
        worth = lengths.worth(site, bound, limit=request.max_tokens, output_pico_mtok=rates.output, again_pico=again)
        if worth is None:
            return None, f"a cap at {bound} tokens would save nothing, as far as is known"
        return worth, ""


def _aside(rewritten: Rewritten, levers: tuple[str, ...], reason: str) -> Rewritten:
    """The call with nothing asked of its answer."""
    told = dict.fromkeys(levers, Change(False, reason))
    return replace(rewritten, changes={**rewritten.changes, **told})


def _possible(manner: Manner, request: Request, call: Call) -> tuple[OutputRule, frozenset[str], dict[str, Change]]:
    """The rule as far as this call allows it, the levers that can act on it, and why others cannot."""
    aside: dict[str, str] = {}
    rule = manner.rule
    if call.unexamined or call.plainly:  # what comes goes to the client as it is
        rule = replace(rule, repair=False)
    if CAP in manner.levers and rule.cap:
        if call.cut is not None:
            aside[CAP] = f"asked again at the full limit: the answer was cut at {call.cut.cap} tokens"
        elif call.unexamined:
            aside[CAP] = call.unexamined
        elif request.stream:
            aside[CAP] = "a streamed answer that was cut could not be taken back"
        elif rule.until and EARLY_STOP in manner.levers:
            aside[CAP] = "the answer is ended early, and read no further"
    told = {lever: Change(lever == CAP and call.cut is not None, reason) for lever, reason in aside.items()}
    return rule, frozenset(manner.levers) - told.keys(), told


def _is_bound(state: State) -> bool:
    """Whether thinking that is sent back is valid only behind the prompt that it came from."""
    return state.capability.prefix_bound_thinking and thinks(state.prefix.turns)


def _is_warm(state: State) -> bool:
    """Whether the provider holds anything of this prompt."""
    return any(entry.expires_s > state.now_s for entry in state.residency.values())

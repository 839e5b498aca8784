"""One call on its way through the router: what each lever wants, what stands against it, what it would cost.

Decided once per user turn and kept through a tool loop. A conversation leaves the model that it is on for a cheaper one only
when that pays for the cache it leaves behind, and never while thinking is sent back, which is bound to the model that wrote
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.cache import TTL_S
from thriftgate.core.cost import day_of
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.levers.route_cascade import RouteCascade
from thriftgate.core.levers.route_learned import RouteLearned
from thriftgate.core.levers.route_rules import RouteRules
from thriftgate.core.money import price_tokens
from thriftgate.core.plan import Policy
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request, Ttl, parse_request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.artefact import Artefact, split_arm
from thriftgate.core.routing.choice import Choice, Route
from thriftgate.core.routing.features import features_of
from thriftgate.core.routing.kinds import kind_of
from thriftgate.core.routing.retarget import Unfit, retarget, thinks
from thriftgate.core.routing.rules import Question, Rule, first_met
from thriftgate.core.routing.switching import Ahead, Side, worth_leaving, worth_trying
from thriftgate.core.routing.task import asked_text, in_tool_loop, surroundings, system_text
from thriftgate.core.splice import Edit, apply
from thriftgate.core.usage import Tokens
from thriftgate.engine.call import Call
from thriftgate.engine.routes import Routes
from thriftgate.engine.snapshot import Snapshot
from thriftgate.engine.standing import GAP_S_FIRST_GUESS, Standing
from thriftgate.providers.transport import header

CACHE = CacheBreakpoints.id
RULES, LEARNED, CASCADE = RouteRules.id, RouteLearned.id, RouteCascade.id
LEVERS = (RULES, LEARNED, CASCADE)
TENANT_HEADER = b"thriftgate-tenant"
TURNS_FIRST_GUESS = 3.0
EWMA = 0.3


class _Wish(NamedTuple):
    """The arm that a lever wants. With `keeps` it is the one that the conversation is on, whatever it costs."""

    lever: str
    arm: str
    reason: str
    score: float | None = None
    threshold: float | None = None
    certificate: str = ""
    cascade: bool = False
    keeps: bool = False


class Decision:
    """One call on its way through the router."""

    def __init__(
        self,
        router: Routes,
        rewritten: Rewritten,
        route: Route,
        call: Call,
        *,
        key: str,
        policy: Policy,
        now_s: float,
        first: Rule | None = None,
    ) -> None:
        self.router = router
        self.rules = router.table.rules if first is None else (first, *router.table.rules)
        self.rewritten = rewritten
        self.request = rewritten.request
        self.route = route
        self.call = call
        self.key = key
        self.policy = policy
        self.now_s = now_s
        self.knowledge = router.knowledge
        self.asked = self.knowledge.snapshot(self.request, key, now_s, upstream=call.upstream)
        self.turns = self.asked.state.prefix.turns
        self.standing = router.standings.of(self.asked.state.prefix.chain)

    def made(self) -> Rewritten:
        """The call for the arm that it is to go to."""
        loop = in_tool_loop(self.turns)
        asides: dict[str, str] = {}
        if loop:
            wish = self._kept("a tool loop keeps its model", asides)
        else:
            wish = self._wish(asides)
            wish = self._weighed(wish, asides) if wish is not None else self._bound(asides)
        made = self._changed(wish, asides) if wish is not None else None
        self._remember(wish, made, loop=loop)
        return made or replace(self.rewritten, route=replace(self.route, asides=asides))

    def _kept(self, reason: str, asides: dict[str, str]) -> _Wish | None:
        """The arm that the conversation is on."""
        standing = self.standing
        if standing is None or standing.arm == self.request.model:
            asides.update(dict.fromkeys(LEVERS, reason))
            return None
        lever = standing.lever if standing.lever in self.policy.levers else ""
        lever = lever or next(one for one in LEVERS if one in self.policy.levers)
        return _Wish(lever, standing.arm, f"{reason}: {standing.arm}", keeps=True)

    def _bound(self, asides: dict[str, str]) -> _Wish | None:
        """The model that a rule has put this conversation on, while its thinking is sent back. What a certificate promises
        is judged at each turn."""
        standing = self.standing
        if standing is None or standing.lever != RULES or RULES not in self.policy.levers or not thinks(self.turns):
            return None
        return self._kept("the conversation keeps its model and its thinking", asides)

    def _wish(self, asides: dict[str, str]) -> _Wish | None:
        """What the first lever wants that wants anything."""
        for lever, ask in ((RULES, self._by_rule), (LEARNED, self._learned), (CASCADE, self._cascade)):
            if lever not in self.policy.levers:
                continue
            outcome = ask()
            if isinstance(outcome, _Wish):
                return outcome
            asides[lever] = outcome
        return None

    def _by_rule(self) -> _Wish | str:
        around = surroundings(self.request, self.turns, self.route.task, self.asked.estimate.tokens)
        text = asked_text(self.turns)
        question = Question(
            task=self.route.task,
            kind=kind_of(system_text(self.request), text, around),
            asked=self.request.model,
            key=self.key,
            tenant=header(self.call.headers, TENANT_HEADER),
            prompt_tokens=around.prompt_tokens,
            turns=around.turns,
            tools=around.tools > 0,
            images=around.images > 0,
            schema=around.schema,
            spent_pico=self.router.spending.of(self.key, self.now_s),
        )
        rule = first_met(self.rules, question)
        if rule is None:
            return f"no rule fits task {question.task}" + (f", kind {question.kind}" if question.kind else "")
        arm = f"{rule.to}@{rule.effort}" if rule.effort else rule.to
        return _Wish(RULES, arm, f"rule {rule.name!r}")

    def _learned(self) -> _Wish | str:
        return self._by_artefact(LEARNED)

    def _cascade(self) -> _Wish | str:
        return self._by_artefact(CASCADE)

    def _by_artefact(self, lever: str) -> _Wish | str:
        artefact = self.router.artefact_for(self.request.model)
        if artefact is None or (artefact.cascade is not None) != (lever == CASCADE):
            return f"no artefact for calls to {self.request.model}"
        void = self._void(artefact)
        if void:
            return void
        around = surroundings(self.request, self.turns, self.route.task, self.asked.estimate.tokens)
        features = features_of(asked_text(self.turns), around)
        if artefact.cascade is not None:
            return self._tried(artefact, artefact.judge(features))
        goes, score, reason = artefact.judge(features)
        if not goes:
            return reason
        if not self.router.by_lot(artefact, self.request, self.key):
            return self._not_drawn(artefact)
        return _Wish(LEARNED, artefact.cheap, reason, score, artefact.threshold, artefact.id)

    def _void(self, artefact: Artefact) -> str:
        """Why the artefact is not used for this call; "" where it may be."""
        router, task = self.router, self.route.task
        void = router.suspended.get(artefact.id) or artefact.why_void(self.now_s, self.knowledge.book, day_of(self.now_s))
        if void:
            return f"artefact {artefact.id} is not used: {void}"
        pinned = router.pinned.get(artefact.id, {}).get(task)
        return f"task {task} is kept on {artefact.strong}: {pinned}" if pinned else ""

    def _not_drawn(self, artefact: Artefact) -> str:
        return f"kept on {artefact.strong} by lot: {artefact.share:.0%} of such calls are certified to go"

    def _tried(self, artefact: Artefact, judged: tuple[bool, float, str]) -> _Wish | str:
        """Whether the cheap model may try."""
        cascade = artefact.cascade
        assert cascade is not None
        _, score, _ = judged
        known = artefact.scorer.knows(features_of("", surroundings(self.request, self.turns, self.route.task, 0)))
        if not known or self.route.task in artefact.pinned:
            return judged[2]
        if not self.router.by_lot(artefact, self.request, self.key):
            return self._not_drawn(artefact)
        if score > cascade.skip_above:
            return f"score {score:.3f}: a try is not expected to pay above {cascade.skip_above:.3f}"
        if not self.request.max_tokens:
            return "a pre-warming call has no answer to judge"
        if b'"server_tool_use"' in self.request.raw("messages") or _has_server_tools(self.request):
            return "server tools act: a try cannot be taken back"
        reason = f"a try, kept at a confidence of {cascade.threshold:.3f} or more"
        return _Wish(CASCADE, artefact.cheap, reason, score, cascade.threshold, artefact.id, cascade=True)

    def _weighed(self, wish: _Wish, asides: dict[str, str]) -> _Wish | None:
        """The wish, where nothing stands against it for this conversation."""
        on = self.standing.arm if self.standing is not None else self.request.model
        if wish.arm == on or split_arm(wish.arm)[0] == split_arm(on)[0]:
            return wish
        if thinks(self.turns):
            if self.standing is None or on == self.request.model:
                asides[wish.lever] = "the conversation keeps its model: another would lose the thinking that is sent back"
                return None
            return self._kept("the conversation keeps its model and its thinking", asides)
        return wish

    def _changed(self, wish: _Wish, asides: dict[str, str]) -> Rewritten | None:
        """The request for the arm, if it can be had and pays; None leaves the call where it is."""
        model, effort = split_arm(wish.arm)
        models = self.knowledge.models
        if models[model].id == models[self.request.model].id and not effort:
            asides[wish.lever] = f"{wish.reason}: it is the model that was asked for"
            return None
        fitted = retarget(self.request, self.turns, models[model], effort=effort, now_s=self.now_s)
        if isinstance(fitted, Unfit):
            asides[wish.lever] = f"{wish.reason}, but {fitted.reason}"
            return None
        whole = (Edit(("stream",), None),) if wish.cascade and "stream" in self.request.members else ()
        body = apply(self.request.body, (*fitted.edits, *whole)) if self.request.body else self.request.body
        request = parse_request(body, needs_max_tokens=False)
        snapshot = self.knowledge.snapshot(request, self.key, self.now_s, upstream=self.call.upstream)
        if snapshot.state.upper and snapshot.state.upper[-1] + request.max_tokens > models[model].context_tokens:
            asides[wish.lever] = f"{wish.reason}, but the prompt may be longer than {model} reads"
            return None
        return self._priced(wish, request, snapshot, fitted.notes, asides)

    def _priced(
        self, wish: _Wish, request: Request, snapshot: Snapshot, notes: Iterable[str], asides: dict[str, str]
    ) -> Rewritten | None:
        """The change, if it pays: for this turn, and for the cache that is left behind."""
        ratio = _ratio(self.asked, snapshot)
        same = self.standing is not None and split_arm(self.standing.arm)[0] == request.model
        tokens = round(snapshot.estimate.tokens * ratio) if same else self.asked.estimate.tokens  # the better known one's
        asked_pico, pico = self._pico(self.request, self.asked), self._pico(request, snapshot)
        stay, go = self._side(self.request, self.asked), self._side(request, snapshot)
        fresh, ahead = self._fresh(), self._ahead()
        move = worth_leaving(stay, go, tokens, fresh, ahead, on_go=same)
        if not move.go and not wish.keeps:
            asides[wish.lever] = f"{wish.reason}, but {move.reason}"
            return None
        artefact = self.router.certified(wish.certificate) if wish.cascade else None
        if artefact is not None and artefact.cascade is not None:
            in_vain = self.router.worth_a_try(
                self.route.task,
                artefact.cascade,
                lambda judging, kept, tried: worth_trying(
                    stay, go, tokens, fresh, ahead, verify_pico=judging, p_accept=kept, tried=tried, on_go=same
                ),
            )
            if in_vain:
                asides[wish.lever] = f"tries of task {self.route.task} have not paid: {in_vain}"
                return None
        why = [] if wish.keeps else [move.reason]
        reason = "; ".join([f"{self.request.model} → {wish.arm}: {wish.reason}", *notes, *why])
        choice = Choice(
            lever=wish.lever,
            asked=self.request.model,
            served=request.model,
            reason=reason,
            effort=split_arm(wish.arm)[1],
            ratio=ratio,
            score=wish.score,
            threshold=wish.threshold,
            certificate=wish.certificate,
            cascade=wish.cascade,
            asked_pico=asked_pico,
            pico=pico,
        )
        return replace(
            self.rewritten, request=request, route=replace(self.route, choice=choice, asides=asides), asked=self.request
        )

    def _side(self, request: Request, snapshot: Snapshot) -> Side:
        """One of the two models, as it stands for this conversation."""
        state = snapshot.state
        warm, expires_s = 0, self.now_s
        for at in range(len(state.prefix.chain) - 1, -1, -1):
            entry = state.residency.get(state.prefix.chain[at])
            if entry is not None and entry.expires_s > self.now_s:
                warm, expires_s = state.cumulative[at], entry.expires_s
                break
        book, terms = self.knowledge.book, Terms(request.model, day_of(self.now_s), request.mode, request.geo or "global")
        ratio = 1 / _ratio(self.asked, snapshot)
        return Side(
            model=request.model,
            rates=lambda prompt_tokens: book.rates(terms, prompt_tokens),
            output_tokens=self._output(request.model),
            warm_tokens=round(warm / ratio),
            expires_in_s=expires_s - self.now_s,
            ratio=ratio,
            ttl_s=_ttl_s(state.prefix.marks(), cached=CACHE in self.policy.levers),
            cache_min_tokens=round(state.capability.cache_min_tokens),
        )

    def _output(self, model: str) -> int:
        """The expected length of the answer; of a model that is not known yet, as of the one that was asked for."""
        memory = self.knowledge.memory
        known = memory.output_mean(self.key, model)
        if known is None:
            known = memory.output_mean(self.key, self.request.model)
        most = self.request.max_tokens
        return min(most, round(known)) if known is not None else memory.expected_output(self.key, model, most)

    def _fresh(self) -> int:
        """Tokens of the newest turn."""
        state = self.asked.state
        last = len(self.turns) - 1
        first = next((at for at, b in enumerate(state.prefix.blocks) if b.section == "messages" and b.index >= last), 0)
        before = state.cumulative[first - 1] if first else 0
        return (state.cumulative[-1] if state.cumulative else 0) - before

    def _ahead(self) -> Ahead:
        """What is expected of the conversation. One that has begun is expected to go on as long again."""
        standing, prospects = self.standing, self.asked.state.outlook.prospects
        turns = sum(turn.run.speaks for turn in self.turns) or 1
        return Ahead(
            turns=max(TURNS_FIRST_GUESS, float(turns - 1)) if turns > 1 else 1.0,
            gap_s=standing.gap_s if standing is not None else GAP_S_FIRST_GUESS,
            easy=standing.easy if standing is not None else 0.5,
            grows=self._fresh() + self._output(self.request.model),
            curve=prospects[-1].curve if prospects else (),
        )

    def _pico(self, request: Request, snapshot: Snapshot) -> int:
        """What the call is expected to cost, nothing cached."""
        tokens = Tokens(input=snapshot.estimate.tokens, output=self._output(request.model))
        rates = self.knowledge.book.rates(
            Terms(request.model, day_of(self.now_s), request.mode, request.geo or "global"), tokens.prompt
        )
        return price_tokens(tokens.input, rates.input) + price_tokens(tokens.output, rates.output)

    def _remember(self, wish: _Wish | None, made: Rewritten | None, *, loop: bool) -> None:
        chain = self.asked.state.prefix.chain
        if not chain:
            return
        arm, lever = (wish.arm, wish.lever) if made is not None and wish is not None else (self.request.model, "")
        old = self.standing
        easy = float(wish is not None and wish.arm != self.request.model)
        if old is None:
            standing = Standing(arm, 1, self.now_s, easy=0.5 + EWMA * (easy - 0.5), lever=lever)
        else:
            gap_s = old.gap_s + EWMA * (self.now_s - old.at_s - old.gap_s)
            share = old.easy if loop else old.easy + EWMA * (easy - old.easy)
            standing = Standing(arm, old.turns + (not loop), self.now_s, gap_s, share, lever)
        self.router.standings.note(chain[-1], standing)


def _ratio(asked: Snapshot, served: Snapshot) -> float:
    """Tokens of the asked model per token of the served one's. By what both texts are estimated at: what was learned of the
    one and not of the other would pass for a difference of vocabularies."""
    counts = [sum(block.part.tokens for block in one.state.prefix.blocks) + sum(one.framing) for one in (asked, served)]
    return counts[0] / counts[1] if all(counts) else 1.0


def _ttl_s(marks: Sequence[tuple[int, Ttl]], *, cached: bool) -> float:
    """How long what is written will live: as the client marks it, else as the planner mostly would; 0 where nothing is."""
    if any(ttl == "1h" for _, ttl in marks):
        return TTL_S["1h"]
    return TTL_S["5m"] if cached or marks else 0.0


class _Tool(Struct):
    type: str = "custom"


def _has_server_tools(request: Request) -> bool:
    """Whether the provider itself may act on this call."""
    raw = request.raw("tools")
    if not raw or raw == b"null":
        return False
    try:
        tools = msgspec.json.decode(raw, type=list[_Tool])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return any(tool.type not in ("custom", "") for tool in tools) or "mcp_servers" in request.members

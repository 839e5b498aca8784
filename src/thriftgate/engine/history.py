"""When and how the older part of a conversation is left out: the account of the conversation, the sum, the summary.

Decided by expected dollars (`core/reduction/when.py`), before the request is planned. What was decided is frozen
(`conversations.py`) and repeated byte for byte; each decision, to go on as it is included, is one line of `explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.core.blocks import THINKING
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.errors import ThriftgateError
from thriftgate.core.generations import Generations
from thriftgate.core.levers.context_compact import ContextCompact
from thriftgate.core.levers.context_trim_tools import ContextTrimTools
from thriftgate.core.levers.context_window import ContextWindow
from thriftgate.core.plan import Policy
from thriftgate.core.prices import Rates, Terms
from thriftgate.core.reduction.change import Change
from thriftgate.core.reduction.cuts import Cut, Summariser, clearing, compaction, window
from thriftgate.core.reduction.further import Further, growth
from thriftgate.core.reduction.lapses import Lives
from thriftgate.core.reduction.recipe import HistoryPolicy
from thriftgate.core.reduction.steps import Step, StepKind, clearable, cut_before, next_step
from thriftgate.core.reduction.summary import THINKS_TOKENS, by_another
from thriftgate.core.reduction.when import Decision, History, decide
from thriftgate.core.request import Request, Ttl
from thriftgate.core.routing.retarget import thinks
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens
from thriftgate.engine.call import Call
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.summing_up import can_be_asked, own_body, read_summary
from thriftgate.engine.talks import Talk, Talking, Talks
from thriftgate.engine.touch import Purpose, Toucher
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.logs import log, where_raised

COMPACT, WINDOW, TRIM = ContextCompact.id, ContextWindow.id, ContextTrimTools.id
LEVERS: dict[StepKind, str] = {"compact": COMPACT, "window": WINDOW, "clear": TRIM}
OWN = "own"
LAPSE = 0.05  # chance that the cache has lapsed at the next turn: of 669 coding sessions a twentieth of turns come later
SUMMARY_THINKS = 300  # tokens of thinking that a summary is expected to take besides
UNSETTLED = 1_000  # calls on their way for which a summary was asked for
READS = 0.9  # of its window another model is given at most: the length is an estimate
NOTE_TOKENS = 30  # of what comes in the place of a tool result
ENDPOINT = "summary"
TOO_SHORT = "the conversation has nothing yet that could be left out"


class Asked(NamedTuple):
    """What is to be decided about: the messages as they would be sent, the request they make and its state, and
    the state of the prompt as the client sent it."""

    messages: Sequence[bytes]
    request: Request
    state: State
    step: Step | None
    whole: State


class Proposed(NamedTuple):
    """A way to go, and what it is expected to bring. `own`: the conversation itself is asked for a summary."""

    kind: StepKind
    at: int
    cut: Cut
    decision: Decision
    own: bool = False


class Historian:
    """One per engine."""

    def __init__(self, knowledge: Knowledge, toucher: Toucher, talks: Talks, further: Further) -> None:
        self._knowledge = knowledge
        self._toucher = toucher
        self._talks = talks
        self._further = further
        self._summed_up: Generations[bytes, Talk] = Generations(UNSETTLED)
        self._asking: dict[bytes, bool] = {}  # summaries on their way, and whether the same request came again meanwhile

    @staticmethod
    def wanted(policy: Policy) -> bool:
        """Whether anything of a history may be left out."""
        return COMPACT in policy.levers or WINDOW in policy.levers or (TRIM in policy.levers and policy.history.clears)

    def talking(self, state: State, key: str, ends: Sequence[bytes]) -> Talking:
        """Where this request stands in its conversation. `state` is that of the prompt as the client sent it, `ends` tell
        its messages (`recognition.py`)."""
        head, digest = state.prefix.head_end(), ends[-1]
        app = state.prefix.chain[head] if head is not None else key.encode()
        talk, again = self._talks.before(ends), self._talks.knows(digest)
        if again:
            self._overtaken(digest)
        else:
            self._talks.note(digest, talk)
            self._further.turn(app, talk.name, talk.turns + 1, state.now_s)
        return Talking(digest, talk, app, again)

    def settled(self, talking: Talking, entry: Entry, tokens: int) -> None:
        """The call is booked: `tokens` is what its prompt came to."""
        talk = self._summed_up.get(talking.digest) or talking.talk
        regret = sum(entry.posted(f"saved:{lever}") for lever in LEVERS.values())
        self._talks.note(talking.digest, talk.went_on(tokens, -entry.posted(UPSTREAM), regret))

    def _overtaken(self, digest: bytes) -> None:
        """The same request came again: where a summary is on its way for the first, it comes too late."""
        if digest in self._asking:
            self._asking[digest] = True

    async def step(
        self, call: Call, asked: Asked, talking: Talking, policy: Policy
    ) -> tuple[Step | None, dict[str, Change]]:
        """The step to take before this request, if any, and what is told of each lever. Never raises: a conversation goes on
        as it is sent."""
        wanted = [lever for lever in (COMPACT, WINDOW) if lever in policy.levers]
        aside = _aside(asked, talking, policy)
        if aside:
            return None, {lever: Change(False, aside) for lever in wanted}
        try:
            return await self._step(call, asked, talking, policy)
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            log.error("history not shortened", error=type(error).__name__, at=where_raised(error))
            return None, {lever: Change(False, f"failed with {type(error).__name__}") for lever in wanted}

    async def _step(
        self, call: Call, asked: Asked, talking: Talking, policy: Policy
    ) -> tuple[Step | None, dict[str, Change]]:
        ways = self._ways(asked, talking, policy)
        changes = {LEVERS[way.kind]: Change(False, way.decision.reason) for way in ways}
        if COMPACT in policy.levers and COMPACT not in changes:
            changes[COMPACT] = Change(False, _no_summary(talking.talk))
        best = max((way for way in ways if way.decision.go), key=lambda way: way.decision.saving_pico, default=None)
        if best is None:
            return None, changes
        text = ""
        if best.kind == "compact":
            text = await self._summary(call, asked, talking, best, policy.history)
            if not text:
                return None, changes | {COMPACT: Change(False, f"the summary failed; {best.decision.reason}")}
        bare = _may_be_bound(asked.state, policy)
        step = next_step(asked.step, best.kind, best.at, len(asked.messages), text=text, bare=bare)
        return step, changes | {LEVERS[best.kind]: Change(True, best.decision.reason)}

    def _ways(self, asked: Asked, talking: Talking, policy: Policy) -> list[Proposed]:
        """What could be done now, each with its sum."""
        state, messages = asked.state, asked.messages
        at = cut_before(messages, len(messages) - policy.history.keep_messages)
        assert at is not None
        total = state.cumulative[-1]
        head = _tokens_before(state, 0)
        tail = total - _tokens_before(state, at)
        lives = _head_lives(state)
        history = self._history(asked, talking)
        ways: list[Proposed] = []
        by = self._summarisers(asked, talking.talk, policy.history) if COMPACT in policy.levers else []
        if by:
            cut = compaction(total, head, tail, policy.history.summary_tokens, lives)
            decision = decide(history, cut, by)
            own = any(one.own and one.model == decision.summariser for one in by)
            ways.append(Proposed("compact", at, cut, decision, own))
        if WINDOW in policy.levers:
            first = _tokens_before(state, 1)
            cut = window(total, first, tail, lives)
            ways.append(Proposed("window", at, cut, decide(history, cut)))
        if TRIM in policy.levers and policy.history.clears:
            cleared, front, notes = _results(asked, at, bare=_may_be_bound(state, policy))
            if cleared:
                cut = clearing(front, cleared, notes, lives)
                ways.append(Proposed("clear", at, cut, decide(history, cut)))
        return ways

    def _history(self, asked: Asked, talking: Talking) -> History:
        """The conversation as the sum wants it."""
        talk, state, whole, shadows = talking.talk, asked.state, asked.whole, self._knowledge.shadows
        warm = 0
        for at in range(len(state.prefix.chain) - 1, -1, -1):
            entry = state.residency.get(state.prefix.chain[at])
            if entry is not None and entry.expires_s > state.now_s:
                warm = state.cumulative[at]
                break
        rates = self._rates(asked.request, state)
        tokens, hour = whole.cumulative[-1], shadows.warm(whole, "1h")
        return History(
            tokens=state.cumulative[-1],
            warm=warm,
            rates=rates,
            grows=growth(talk.gained, talk.grew),
            further=self._further.expected(talking.app, talk.turns + 1),
            lapse=LAPSE,
            answer=state.output_tokens,
            spent_pico=talk.spent_pico,
            regret_pico=talk.regret_pico,
            whole_pico=_whole_pico(asked, shadows.warm(whole), rates(tokens)) if asked.step is not None else None,
            lives=Lives(tokens, hour, state.cumulative[-1]) if hour else None,
            cache_min_tokens=state.capability.cache_min_tokens,
        )

    def _rates(self, request: Request, state: State, model: str = "") -> Callable[[int], Rates]:
        book = self._knowledge.book
        own = not model or model == request.model
        mode = request.mode if own else "standard"
        terms = Terms(model or request.model, day_of(state.now_s), mode, request.geo or "global")
        return lambda tokens: book.rates(terms, tokens)

    def _summarisers(self, asked: Asked, talk: Talk, policy: HistoryPolicy) -> list[Summariser]:
        """Who may write the summary, with prices. After one that failed nobody is asked for a while, and then rather one
        who is given a transcript."""
        if talk.turns + 1 < talk.patient_until:
            return []
        request, state = asked.request, asked.state
        found: list[Summariser] = []
        for name in policy.summarisers:
            own = name == OWN or (name == request.model and not talk.failed)
            capability = state.capability if own else self._knowledge.models[name]
            ratio = 1.0 if own or capability.tokenizer == state.capability.tokenizer else 1.3
            room = capability.context_tokens - 2 * policy.summary_tokens - THINKS_TOKENS
            if (own and not can_be_asked(asked.request, asked.state)) or (
                not own and state.cumulative[-1] * ratio > READS * room
            ):
                continue
            thought = SUMMARY_THINKS if capability.thinking_default_on or capability.thinking_always_on else 0
            rates = self._rates(request, state, "" if own else name)
            found.append(Summariser(request.model if own else name, rates, own, ratio, thinks=thought))
        return [one for one in found if not (talk.failed and one.own)] or found

    async def _summary(self, call: Call, asked: Asked, talking: Talking, way: Proposed, policy: HistoryPolicy) -> str:
        """The summary; "" where it failed or was overtaken. What it cost is booked as ours, and against the conversation."""
        text, paid_pico = "", 0
        self._asking[talking.digest] = False
        try:
            body = (
                own_body(asked.request, asked.state, policy.summary_tokens)
                if way.own
                else by_another(asked.messages[: way.at], way.decision.summariser, policy.summary_tokens)
            )
            again = replace(call, body=body, parent="", cut=None)
            reason = f"a summary of {way.at} messages by {way.decision.summariser}"
            prepared = self._toucher.plan(again, call.key or "")
            touched = await self._toucher.send(again, prepared, Purpose(COMPACT, ENDPOINT, reason))
            text, paid_pico = read_summary(touched), touched.paid_pico
        except ThriftgateError as error:
            log.warning("no summary", error=type(error).__name__)
        finally:
            overtaken = self._asking.pop(talking.digest, False)
        self._summed_up[talking.digest] = talking.talk.summed_up(paid_pico, well=bool(text))
        return "" if overtaken else text


def left_out(state: State, step: Step, sent_tokens: int) -> tuple[int, int]:
    """Estimated tokens of what a step leaves out, and of what stands in its place. `state` is that of the client's prompt,
    `sent_tokens` the length of what is sent."""
    total = state.cumulative[-1]
    kept = total - _tokens_before(state, step.keep_from) if step.kind != "clear" else 0
    before = total - kept
    return before, max(0, sent_tokens - kept)


def _whole_pico(asked: Asked, warm: int, rates: Rates) -> int:
    """What this turn would cost with nothing left out."""
    tokens = asked.whole.cumulative[-1]
    warm = min(warm, tokens)
    return pico_at(Tokens(write_5m=tokens - warm, read=warm, output=asked.state.output_tokens), rates)


def _aside(asked: Asked, talking: Talking, policy: Policy) -> str:
    """Why no step may be taken before this request, or ""."""
    state, messages = asked.state, asked.messages
    if talking.again:
        return "this request was sent before, and an answer to it may be bound to how it was"
    at = cut_before(messages, len(messages) - policy.history.keep_messages)
    if at is None or at <= 1 or not state.cumulative:
        return TOO_SHORT
    turns = state.prefix.turns
    kept = state.capability.keeps_thinking and (state.capability.prefix_bound_thinking or not _may_be_bound(state, policy))
    if thinks(turns) and not turns[-1].run.speaks and not kept:
        return "the model is in the middle of its work: its thinking is needed"
    return ""


def _may_be_bound(state: State, policy: Policy) -> bool:
    """Whether thinking may be bound to its prefix: by this model, or by another one that serves the conversation."""
    return state.capability.prefix_bound_thinking or any(lever.startswith("route.") for lever in policy.levers)


def _no_summary(talk: Talk) -> str:
    if talk.turns + 1 < talk.patient_until:
        return f"the last summary failed; the next is asked for at turn {talk.patient_until}"
    return "none of those who may write a summary can read this conversation"


def _tokens_before(state: State, message: int) -> int:
    """Tokens of all that stands before message number `message`."""
    before = 0
    for block, tokens in zip(state.prefix.blocks, state.cumulative, strict=True):
        if block.section == "messages" and block.index >= message:
            break
        before = tokens
    return before


def _head_lives(state: State) -> Ttl | None:
    head = state.prefix.head_end()
    entry = state.residency.get(state.prefix.chain[head]) if head is not None else None
    return entry.ttl if entry is not None and entry.expires_s > state.now_s else None


def _results(asked: Asked, at: int, *, bare: bool) -> tuple[int, int, int]:
    """Tokens of the tool results before message `at` that are worth emptying, of all that stands before what changes first,
    and of what comes in their place. With `bare` thinking goes as well."""
    state = asked.state
    worth = {(index, item) for index in range(at) for item in clearable(asked.messages[index])}
    cleared, notes, before = 0, 0, 0
    front = -1
    for block, tokens in zip(state.prefix.blocks, state.cumulative, strict=True):
        goes = block.section == "messages" and (block.index, block.item) in worth
        if goes:
            cleared += tokens - before
            notes += NOTE_TOKENS
        if front < 0 and (goes or (bare and block.part.kind in THINKING)):
            front = before
        before = tokens
    return cleared, max(0, front), notes

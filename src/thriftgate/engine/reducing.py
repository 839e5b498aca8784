"""A call's prompt made shorter: how its conversation is sent, message by message, and how that is told to the planner.

The first request of a conversation decides how all of it is sent. One that was under way before is left as it is up to what
is warm in the provider's cache or bound by thinking, and shortened from there on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.blocks import lenient
from thriftgate.core.levers.context_images import ContextImages
from thriftgate.core.memo import Turn
from thriftgate.core.models import Capabilities
from thriftgate.core.plan import Policy
from thriftgate.core.reduction.change import Change
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.recognition import ends_of
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.reduction.rewriting import Done, Rewriter
from thriftgate.core.reduction.steps import Step, with_step
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.retarget import thinks
from thriftgate.core.splice import Edit, Known, apply
from thriftgate.core.state import State
from thriftgate.engine.call import Call
from thriftgate.engine.conversations import Conversations, Sent
from thriftgate.engine.doubts import Doubts
from thriftgate.engine.history import COMPACT, Asked, Historian, left_out
from thriftgate.engine.history import LEVERS as STEP_LEVERS
from thriftgate.engine.provider_side import ProviderSide
from thriftgate.engine.shaping import Shaper
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.talks import Talking
from thriftgate.logs import log, where_raised

IMAGES = ContextImages.id


class Place(NamedTuple):
    """A request in its conversation: the state of its prompt as it came, what tells its messages, and how they are sent."""

    state: State
    ends: Sequence[bytes]
    sent: Sent


class Reducer:
    """One per engine."""

    def __init__(
        self,
        knowledge: Knowledge,
        conversations: Conversations,
        *,
        historian: Historian,
        doubts: Doubts,
        provider_side: ProviderSide,
        shaper: Shaper,
    ) -> None:
        self.knowledge = knowledge
        self.conversations = conversations
        self.historian = historian
        self._doubts = doubts
        self._provider_side = provider_side
        self._shaper = shaper
        self._rewriter = Rewriter(REWRITES)

    async def reduce(
        self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float
    ) -> tuple[Rewritten, Talking | None]:
        """The call with a shorter prompt, and its place in its conversation where that matters. Whatever fails, the prompt
        goes out as it came."""
        policy = _on_our_side(policy)
        try:
            place = await self._place(rewritten, call, key, policy, now_s)
            if place is None:
                return rewritten, None
            state, ends, sent = place
            reduced = self._reduced(rewritten, state, ends, sent)
            self.conversations.note(ends[-1], sent)
            if not self.historian.wanted(policy) or not rewritten.request.max_tokens:
                return reduced, None
            return await self._shortened(rewritten, reduced, place, replace(call, key=key), policy)
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            log.error("prompt not shortened", error=type(error).__name__, at=where_raised(error))
            told = Change(False, f"failed with {type(error).__name__}")
            return replace(rewritten, changes=dict.fromkeys(policy.recipe.rewrites, told)), None

    async def as_sent(self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float) -> Rewritten:
        """The prompt as it would go out now, if nothing more were left out of its conversation. Nothing is noted."""
        place = await self._place(rewritten, call, key, _on_our_side(policy), now_s)
        return rewritten if place is None else self._reduced(rewritten, *place)

    async def _place(self, rewritten: Rewritten, call: Call, key: str, policy: Policy, now_s: float) -> Place | None:
        """Where the call stands in its conversation, and how that is sent; None where the prompt goes out as it came."""
        request, shortens = rewritten.request, self._shortens(policy)
        if request.in_thread or not (shortens or self._may_be_bound(request)):
            return None
        state = self.knowledge.snapshot(request, key, now_s, outlook=False, upstream=call.upstream).state
        ends = ends_of(state.prefix.turns, key)
        if not ends:
            return None
        before, sent = self.conversations.of(ends[-1:]), self._going(state, ends, policy)
        if sent is None and not (shortens or thinks(state.prefix.turns)):
            return None
        if sent is None:
            sent = await self._doubted(rewritten, Place(state, ends, Sent("")), policy, replace(call, key=key))
        await self._look_ahead(state, ends, sent)
        meanwhile = self.conversations.of(ends[-1:])
        if meanwhile is not None and meanwhile != before:  # the same request came twice, and the other was quicker
            sent = meanwhile
        return Place(state, ends, sent)

    async def _shortened(
        self, rewritten: Rewritten, reduced: Rewritten, place: Place, call: Call, policy: Policy
    ) -> tuple[Rewritten, Talking]:
        """The same with the older part of the conversation left out, where that pays now."""
        state, ends, sent = place
        talking = self.historian.talking(state, call.key, ends)
        request = reduced.request
        now = self.knowledge.snapshot(request, call.key, state.now_s, outlook=False, upstream=call.upstream).state
        messages = [turn.text[turn.lead :] for turn in now.prefix.turns]
        step, told = await self.historian.step(call, Asked(messages, request, now, sent.step, state), talking, policy)
        if step is not None:
            sent = replace(sent, step=step)
            self.conversations.note(ends[-1], sent)
            reduced = self._reduced(rewritten, state, ends, sent)
            return replace(reduced, changes={**told, **reduced.changes, **_applied(reduced, told)}), talking
        return replace(reduced, changes={**told, **reduced.changes}), talking

    async def _look_ahead(self, state: State, ends: Sequence[bytes], sent: Sent) -> None:
        """Images take their time: those that were not seen before are scaled in a thread."""
        recipe = self.conversations.recipe(sent.recipe) or Recipe()
        if IMAGES in recipe.rewrites and state.prefix.turns and any(turn.run.has_image for turn in state.prefix.turns):
            raws = [turn.text[turn.lead :] for turn in state.prefix.turns]
            await asyncio.to_thread(self._messages, raws, ends, recipe, sent, state.capability)

    def _reduced(self, rewritten: Rewritten, state: State, ends: Sequence[bytes], sent: Sent) -> Rewritten:
        """The call as its conversation is sent. `state` is that of the prompt as it came."""
        request, step = rewritten.request, sent.step
        recipe = self.conversations.recipe(sent.recipe) or Recipe()
        raws = [turn.text[turn.lead :] for turn in state.prefix.turns]
        done = self._messages(raws, ends, recipe, sent, state.capability)
        system = Done(request.raw("system"))
        if not sent.since and recipe.rewrites and system.raw:
            key = f"{sent.recipe}/{state.capability.id}/".encode()
            system = self._rewriter.system(key, system.raw, recipe=recipe, capability=state.capability)
        edits = [Edit(("system",), system.raw)] if system.taken else []
        left: list[Done] = done
        if step is not None:
            messages = with_step([one.raw for one in done], step)
            edits.append(Edit(("messages",), b"[" + b",".join(messages) + b"]"))
            whole = step.kind in ("clear", "bare")
            left = [one for at, one in enumerate(done) if whole or at >= step.keep_from or at < step.head]
        else:
            edits += [Edit(("messages", at), one.raw) for at, one in enumerate(done) if one.taken]
        changes = _told((system, *left))
        if not edits:
            return replace(rewritten, changes=changes)
        where = Known(request.members, {"messages": state.prefix.message_spans()})
        shorter = parse_request(apply(request.body, edits, where), needs_max_tokens=False)
        if step is not None and step.kind in STEP_LEVERS:
            tokens = self.knowledge.snapshot(shorter, "", state.now_s, outlook=False).estimate.tokens
            before, after = left_out(state, step, tokens)
            reason = f"as since message {step.upto}: about {before} tokens of history became {after}"
            changes[STEP_LEVERS[step.kind]] = Change(True, reason, before, min(after, before))
        return replace(rewritten, request=shorter, changes=changes, original=request)

    def _may_be_bound(self, request: Request) -> bool:
        """Whether this may be a conversation that must go on as it was sent, though no lever is on any more."""
        capability = self.knowledge.models[request.model]
        known = self.conversations.any or self._provider_side.any
        return known and capability.prefix_bound_thinking

    def _going(self, state: State, ends: Sequence[bytes], policy: Policy) -> Sent | None:
        """How this conversation is sent, known or from now on; None where nobody knows and it matters."""
        bound = state.capability.prefix_bound_thinking and thinks(state.prefix.turns)
        name, rewrites = self._named(policy)
        known = self.conversations.of(ends)
        if bound and self._provider_side.lost(state.prefix.turns, ends) and not (known and known.step):
            return None
        if known is None or (bound and _thinks_behind(state, self.conversations.latest(ends))):
            return None if bound or not self._shortens(policy) else Sent(name, _behind_warm(state))
        if bound:
            return known
        if known.step is not None and STEP_LEVERS.get(known.step.kind, "") not in policy.levers:
            known = replace(known, step=None)
        recipe = self.conversations.recipe(known.recipe) or Recipe()
        begun = bool(recipe.rewrites) and set(recipe.rewrites) <= set(rewrites)  # what is warm shall stay so
        return known if begun or known.recipe == name else Sent(name, _behind_warm(state), known.step)

    def _shortens(self, policy: Policy) -> bool:
        return self.historian.wanted(policy) or bool(policy.recipe.rewrites)

    def _named(self, policy: Policy) -> tuple[str, tuple[str, ...]]:
        """The recipe of today, and the levers in it."""
        rewrites = tuple(lever for lever in policy.recipe.rewrites if lever in policy.levers)
        return self.conversations.named(replace(policy.recipe, rewrites=rewrites)), rewrites

    async def _doubted(self, rewritten: Rewritten, place: Place, policy: Policy, call: Call) -> Sent:
        """How a conversation is sent whose thinking is bound to a prefix that nobody remembers: as it is, where the provider
        takes that; as the recipe of today leaves it; or else without its thinking, which is bound to nothing then."""
        state, ends, _ = place
        name, rewrites = self._named(policy)
        as_it_is = Sent(name, _behind_thinking(state))
        if await self._fits(rewritten, call, policy, state.now_s):
            return as_it_is
        if rewrites and await self._fits(self._reduced(rewritten, state, ends, Sent(name)), call, policy, state.now_s):
            return Sent(name)
        return Sent(name, step=Step("bare", 0, len(state.prefix.turns), bare=True))

    async def _fits(self, rewritten: Rewritten, call: Call, policy: Policy, now_s: float) -> bool:
        """Whether the provider takes the prompt, with what its conversation has been asked from its beginning."""
        asked, _ = self._shaper.shape(rewritten, call, call.key, policy, now_s)
        return await self._doubts.fits(call, asked.request)

    def _messages(
        self, raws: Sequence[bytes], ends: Sequence[bytes], recipe: Recipe, sent: Sent, capability: Capabilities
    ) -> list[Done]:
        """Each message as the recipe leaves it."""
        if not recipe.rewrites:
            return [Done(raw) for raw in raws]
        name = f"{sent.recipe}/{capability.id}/".encode()
        keys = [name + ends[at] + (sha256(raw).digest() if b"thinking" in raw else b"") for at, raw in enumerate(raws)]
        return [
            self._rewriter.message(keys[at], raw, raws[at - 1] if at else b"", recipe=recipe, capability=capability)
            if at >= sent.since
            else Done(raw)
            for at, raw in enumerate(raws)
        ]


def _on_our_side(policy: Policy) -> Policy:
    """Without the summary that the provider makes on its own side (`provider_side.py`)."""
    if not policy.history.by_provider:
        return policy
    return replace(policy, levers=tuple(lever for lever in policy.levers if lever != COMPACT))


def _thinks_behind(state: State, latest: int) -> bool:
    """Whether thinking came from requests that nobody remembers: the answer to the last that is known is followed by words
    of the user, and they by thinking."""
    spoken = False
    for turn in state.prefix.turns[latest + 1 :]:
        if turn.run.thinks and spoken:
            return True
        spoken = spoken or _is_users(turn)
    return False


class _Role(Struct):
    role: str = ""


def _is_users(turn: Turn) -> bool:
    message = lenient(turn.text[turn.lead :], _Role)
    return message is not None and message.role == "user"


def _behind_thinking(state: State) -> int:
    """The first message that no thinking is bound to."""
    return max((at + 1 for at, turn in enumerate(state.prefix.turns) if turn.run.thinks), default=0)


def _behind_warm(state: State) -> int:
    """The first message behind what the provider holds of this prompt as it came."""
    for at in range(len(state.prefix.chain) - 1, -1, -1):
        entry = state.residency.get(state.prefix.chain[at])
        if entry is not None and entry.expires_s > state.now_s:
            block = state.prefix.blocks[at]
            return block.index + 1 if block.section == "messages" else 0
    return 0


def _told(parts: Sequence[Done]) -> dict[str, Change]:
    """What each lever took out, over all messages."""
    sums: dict[str, tuple[int, int, int]] = {}
    failed: dict[str, str] = {}
    for part in parts:
        for taken in part.taken:
            texts, before, after = sums.get(taken.lever, (0, 0, 0))
            sums[taken.lever] = texts + 1, before + taken.before, after + taken.after
        failed |= dict(part.failed)
    changes = {lever: Change(False, f"failed with {error}") for lever, error in failed.items()}
    for lever, (texts, before, after) in sums.items():
        reason = f"about {before} tokens became {after} in {texts} message{'s' * (texts > 1)}"
        changes[lever] = Change(True, reason, before, after)
    return changes


def _applied(reduced: Rewritten, told: Mapping[str, Change]) -> dict[str, Change]:
    """What a step that was just taken says of itself: the sum that it was taken by."""
    changes = reduced.changes
    return {
        lever: replace(changes[lever], reason=one.reason) for lever, one in told.items() if one.applied and lever in changes
    }

"""A call's prompt made shorter: how its conversation is sent, message by message, and how that is told to the planner.

The first request of a conversation decides how all of it is sent. One that was under way before is left as it is up to what
is warm in the provider's cache or bound by thinking, and shortened from there on.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from thriftgate.core.plan import Policy
from thriftgate.core.reduction.change import Change
from thriftgate.core.reduction.recipe import Recipe
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.reduction.rewriting import Done, Rewriter
from thriftgate.core.reduction.steps import with_step
from thriftgate.core.request import parse_request
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routing.retarget import thinks
from thriftgate.core.splice import Edit, Known, apply
from thriftgate.core.state import State
from thriftgate.engine.conversations import Conversations, Sent
from thriftgate.engine.snapshot import Knowledge
from thriftgate.logs import log, where_raised


class Reducer:
    """One per engine."""

    def __init__(self, knowledge: Knowledge, conversations: Conversations) -> None:
        self.knowledge = knowledge
        self.conversations = conversations
        self._rewriter = Rewriter(REWRITES)

    def reduce(self, rewritten: Rewritten, key: str, policy: Policy, now_s: float) -> Rewritten:
        """The call with a shorter prompt. Whatever fails, the prompt goes out as it came."""
        if not policy.recipe.rewrites or rewritten.request.in_thread:
            return rewritten
        try:
            return self._reduced(rewritten, key, policy, now_s)
        except Exception as error:  # noqa: BLE001  law 4: savings fail open
            log.error("prompt not shortened", error=type(error).__name__, at=where_raised(error))
            told = Change(False, f"failed with {type(error).__name__}")
            return replace(rewritten, changes=dict.fromkeys(policy.recipe.rewrites, told))

    def _reduced(self, rewritten: Rewritten, key: str, policy: Policy, now_s: float) -> Rewritten:
        request = rewritten.request
        state = self.knowledge.snapshot(request, key, now_s, outlook=False).state
        chain = state.prefix.chain
        if not chain:
            return rewritten
        sent = self._going(state, policy)
        recipe = self.conversations.recipe(sent.recipe) or Recipe()
        self.conversations.note(chain[-1], sent)
        raws = [turn.text[turn.lead :] for turn in state.prefix.turns]
        done = self._messages(state, raws, recipe, sent)
        system = Done(request.raw("system"))
        if not sent.since and recipe.rewrites and system.raw:
            system = self._rewriter.system(
                f"{sent.recipe}/{state.capability.id}/".encode(), system.raw, recipe=recipe, capability=state.capability
            )
        edits = [Edit(("system",), system.raw)] if system.taken else []
        if sent.step is not None:
            messages = with_step([one.raw for one in done], sent.step)
            edits.append(Edit(("messages",), b"[" + b",".join(messages) + b"]"))
        else:
            edits += [Edit(("messages", at), one.raw) for at, one in enumerate(done) if one.taken]
        changes = _told((system, *done))
        if not edits:
            return replace(rewritten, changes=changes)
        where = Known(request.members, {"messages": state.prefix.message_spans()})
        shorter = parse_request(apply(request.body, edits, where), needs_max_tokens=False)
        return replace(rewritten, request=shorter, changes=changes, original=request)

    def _going(self, state: State, policy: Policy) -> Sent:
        """How this conversation is sent, known or from now on."""
        bound = state.capability.prefix_bound_thinking and thinks(state.prefix.turns)
        rewrites = tuple(lever for lever in policy.recipe.rewrites if lever in policy.levers)
        name = self.conversations.named(replace(policy.recipe, rewrites=rewrites))
        known = self.conversations.of(state.prefix.chain)
        if known is not None:
            recipe = self.conversations.recipe(known.recipe) or Recipe()
            begun = bool(recipe.rewrites) and set(recipe.rewrites) <= set(rewrites)  # what is warm shall stay so
            if bound or begun or known.recipe == name:
                return known
        return Sent(name, _behind_thinking(state) if bound else _behind_warm(state))

    def _messages(self, state: State, raws: Sequence[bytes], recipe: Recipe, sent: Sent) -> list[Done]:
        """Each message as the recipe leaves it."""
        if not recipe.rewrites:
            return [Done(raw) for raw in raws]
        ends: dict[int, bytes] = {}
        for block, digest in zip(state.prefix.blocks, state.prefix.chain, strict=True):
            if block.section == "messages":
                ends[block.index] = digest
        name, capability = sent.recipe.encode(), state.capability
        return [
            self._rewriter.message(name + ends[at], raw, raws[at - 1] if at else b"", recipe=recipe, capability=capability)
            if at >= sent.since and at in ends
            else Done(raw)
            for at, raw in enumerate(raws)
        ]


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

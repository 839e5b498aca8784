"""From a call at the door to the question whether there is an earlier answer to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.earlier.digest import body_digest, call_digest, setting_digest, tenant_digest
from thriftgate.core.earlier.never import unfit_call
from thriftgate.core.earlier.rules import Rule, Share, Wish, first_met
from thriftgate.core.levers import LEVERS
from thriftgate.core.plan import Policy, Skip
from thriftgate.engine.call import Call
from thriftgate.engine.reusing.tier import Question
from thriftgate.engine.routing import Router
from thriftgate.providers.transport import header

TENANT_HEADER = b"thriftgate-tenant"
ROOM = "reuse."  # what the ids of the levers that reuse begin with
_SAFE = frozenset(lever.id for lever in LEVERS if lever.safe)


class Table(Struct, frozen=True):
    """The rules. `settings` is the digest of all that can change an answer and is the same for all calls: only
    answers that were served under the same are reused."""

    rules: tuple[Rule, ...] = ()
    settings: bytes = b""


class Asking:
    """One per engine. `salt` keys the digests; `payer_of` tells the name of a call's key in the books."""

    def __init__(
        self,
        table: Table,
        router: Router,
        *,
        policy: Policy,
        salt: bytes,
        payer_of: Callable[[Call], str],
        levers: Sequence[str],
    ) -> None:
        self._table = table
        self._router = router
        self._policy = policy
        self._salt = salt
        self._payer_of = payer_of
        self._levers = levers

    def question(self, call: Call, wish: Wish) -> Question | Skip:
        """What the tiers are asked, or why they are not. Raises whatever odd requests raise."""
        if call.parent or call.unrouted or call.plainly or call.unexamined or call.pinned:
            return Skip("it is made to be measured, or on behalf of another call")
        request = call.dialect.parse(call.body)
        key = self._payer_of(call)
        policy, route = self._router.enrol(request, key, self._policy)
        if not any(lever in policy.levers for lever in self._levers):
            return Skip("off for its side of the experiment" if route.arm else "off in the policy")
        task = self._router.task_of(request, key, call.headers)
        rule = first_met(self._table.rules, key=key, task=task, model=request.model)
        if rule is None:
            return Skip("no row of [[reuse.rules]] names this call")
        unfit = unfit_call(request)
        if unfit:
            return Skip(f"never reused: {unfit}")
        tenant, nobody = tenant_digest(
            key=call.key,
            credential=call.credential,
            whose=call.whose,
            share=_narrowed(rule.share, policy),
            tenant_header=header(call.headers, TENANT_HEADER),
            metadata=request.raw("metadata"),
        )
        if nobody:
            return Skip(nobody)
        on = sha256(self._table.settings + msgspec.json.encode((policy.levers, policy.stabilise))).digest()
        setting = setting_digest(call.path, call.query, call.headers, task=task, policy=on)
        digest = call_digest(self._salt, tenant, setting, body_digest(request))
        return Question(
            call=call,
            request=request,
            rule=rule,
            wish=wish,
            key=key,
            task=task,
            route=replace(route, task=task),
            policy=policy,
            tenant=tenant,
            setting=setting,
            digest=digest,
        )


def _narrowed(share: Share, policy: Policy) -> Share:
    """No wider than the key where levers shape prompts or answers: what they do may go by the key, and a conversation goes
    on only with the key that it was shaped for."""
    shapes = bool(policy.stabilise) or any(lever not in _SAFE and not lever.startswith(ROOM) for lever in policy.levers)
    return "key" if shapes and share in ("team", "org") else share

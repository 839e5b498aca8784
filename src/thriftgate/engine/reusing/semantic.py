"""The tier behind the exact one: the answer to a similar question, as far as a certificate carries.

What is decided here is little: whose shelf, which words, what to compare. `core/semantic/stages.py` decides the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from hmac import compare_digest
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.errors import ConfigError
from thriftgate.core.generations import Generations
from thriftgate.core.levers.reuse_semantic import ReuseSemantic
from thriftgate.core.plan import Skip
from thriftgate.core.semantic.judging import only_text, said_by, spoken
from thriftgate.core.semantic.kept import kept, restored
from thriftgate.core.semantic.scope import asked_of
from thriftgate.core.semantic.shelf import Fresh, Vector
from thriftgate.core.semantic.slots import Slots, slots_of
from thriftgate.core.semantic.stages import Event, Looked, Stages, Terms
from thriftgate.core.splice import Edit, apply
from thriftgate.engine.reusing.comparing import Comparer
from thriftgate.engine.reusing.encoders import Encoder
from thriftgate.engine.reusing.tier import Found, Question
from thriftgate.ledger.sealing import Sealer
from thriftgate.logs import log
from thriftgate.wire.assemble import read_answer

PENDING = 2_000
KEPT_BYTES_MAX = 64 * 1024 * 1024
PLACE = "reuse.semantic"


class Row(NamedTuple):
    """A row of `[[reuse.semantic]]` at work."""

    task: str
    terms: Terms
    encoder: Encoder
    comparer: Comparer
    shadow: float
    all_turns: bool


class Scope(Struct):
    """One shelf: whose it is, by the digest of the tenant, and which row's."""

    tenant: bytes
    task: str
    model: str
    row: int
    stages: Stages


class _Pending(NamedTuple):
    """What a look has found that the model is now asked to answer."""

    scope: bytes
    text: str
    vector: Vector
    slots: Slots
    looked: Looked


class _KeptScope(Struct, array_like=True, forbid_unknown_fields=True):
    tenant: bytes
    task: str
    model: str
    row: int
    stages: bytes


class _Kept(Struct, array_like=True, forbid_unknown_fields=True):
    cleared: int
    scopes: list[tuple[bytes, _KeptScope]]


class Semantic:
    """See `tier.Tier`. `draw` gives chances, uniform in 0...1; with a `sealer` all of it survives a restart; `tell` is
    called where something has happened that is worth keeping soon; `clears` says how often answers were let go of by hand:
    once more, and all shelves go."""

    lever = ReuseSemantic.id

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        scopes_max: int,
        draw: Callable[[], float],
        sealer: Sealer | None = None,
        tell: Callable[[], None] = lambda: None,
        clears: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._rows = rows
        self._scopes_max = scopes_max
        self._draw = draw
        self._sealer = sealer
        self._tell = tell
        self._clears = clears
        self._cleared = 0
        self.scopes: dict[bytes, Scope] = {}  # the least recently used first
        self._pending: Generations[bytes, _Pending] = Generations(PENDING)

    async def look(self, question: Question, now_s: float) -> Found | Skip:
        at = next((at for at, row in enumerate(self._rows) if fnmatchcase(question.task, row.task)), None)
        if at is None:
            return Skip("no row of [[reuse.semantic]] names its task")
        if self._clears is not None and (clears := await self._clears()) != self._cleared:
            self.scopes.clear()
            self._cleared = clears
        row = self._rows[at]
        asked = asked_of(question.request, question.tenant, question.setting, all_turns=row.all_turns)
        if isinstance(asked, str):
            return Skip(asked)
        slots = slots_of(asked.text)
        if slots is None:
            return Skip("its words are none, or too many, to be compared")
        vector = await row.encoder.encode(asked.text, question)
        scope = self._scope(asked.scope, question, at)
        chance = 1.0 if question.wish == "only-if-cached" else self._draw()
        looked = scope.stages.look(vector, slots, now_s, chance)
        if looked.hit is not None and not looked.audit:
            answer = msgspec.msgpack.decode(looked.hit.answer, type=KeptAnswer)
            if not compare_digest(answer.tenant, question.tenant):  # cannot be; and must not, whatever else is wrong
                return Skip("the answer that is kept is another tenant's")
            proof = looked.hit.certificate
            reason = (
                f"to a question that is {looked.hit.alike:.3f} alike: score {looked.hit.score:.3f}, certified is what is "
                f"above {proof.cut:.3f}; there at most {proof.limit:.2%} is wrong, by {proof.wrong} of {proof.hits} hits"
            )
            return Found(answer, reason, self.lever)
        self._pending[question.digest] = _Pending(asked.scope, asked.text, vector, slots, looked)
        return Skip(looked.why)

    async def heard(self, question: Question, answer: KeptAnswer) -> None:
        read = read_answer(answer.body)
        if read is None or not only_text(read.content):
            return await self.unfit(question)
        pending = self._taken(question)
        scope = self.scopes.get(pending.scope) if pending is not None else None
        if pending is None or scope is None:
            return None
        row, items = self._rows[scope.row], scope.stages.shelf.items
        same: dict[int, bool] = {}
        if pending.looked.hit is not None or self._draw() < row.shadow:
            for item in pending.looked.compare:
                earlier = msgspec.msgpack.decode(items[item].answer, type=KeptAnswer)
                told = await row.comparer.same(question, pending.text, answer, earlier)
                if told is not None:
                    same[item] = told
        content = msgspec.json.encode(spoken(read.content))
        plain = answer if len(spoken(read.content)) == len(read.content) else _with(answer, content)
        fresh = Fresh(answer.id, said_by(read.content), msgspec.msgpack.encode(plain))
        self._learn(scope, pending, same, answer.at_s, fresh)
        return None

    async def unfit(self, question: Question) -> None:
        """The model has answered with what may not be given again: no kept answer says that."""
        pending = self._taken(question)
        scope = self.scopes.get(pending.scope) if pending is not None else None
        if pending is not None and scope is not None:
            self._learn(scope, pending, dict.fromkeys(pending.looked.compare, False), 0.0, None)

    async def forget(self, tenant: bytes) -> None:
        for digest in [digest for digest, scope in self.scopes.items() if scope.tenant == tenant]:
            del self.scopes[digest]
        self._tell()

    async def close(self) -> None:
        return

    def kept(self) -> bytes:
        """The scopes, the most recently used ones, sealed; nothing without a sealer."""
        if self._sealer is None:
            return b""
        found: list[_KeptScope] = []
        left = KEPT_BYTES_MAX
        for scope in reversed(self.scopes.values()):
            data = kept(scope.stages, self._rows[scope.row].encoder.name)
            left -= len(data)
            if left < 0:
                break
            found.append(_KeptScope(scope.tenant, scope.task, scope.model, scope.row, data))
        digests = list(reversed(self.scopes))[: len(found)]
        whole = _Kept(self._cleared, list(zip(digests, found, strict=True)))
        return self._sealer.seal(msgspec.msgpack.encode(whole), PLACE)

    def restore(self, data: bytes) -> None:
        """Raises ValueError (msgspec's errors are) for what cannot be opened or read."""
        if self._sealer is None or not data:
            return
        try:
            opened = self._sealer.open(data, PLACE)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        whole = msgspec.msgpack.decode(opened, type=_Kept)
        self._cleared = whole.cleared
        for digest, one in reversed(whole.scopes):
            if one.row >= len(self._rows) or not fnmatchcase(one.task, self._rows[one.row].task):
                continue
            row = self._rows[one.row]
            try:
                stages = restored(one.stages, row.terms, row.encoder.name, row.encoder.index())
            except ValueError as error:
                log.warning("a shelf of answers begins anew", task=one.task, error=type(error).__name__)
                continue
            self.scopes[digest] = Scope(one.tenant, one.task, one.model, one.row, stages)

    def _scope(self, digest: bytes, question: Question, row: int) -> Scope:
        scope = self.scopes.pop(digest, None)
        if scope is None:
            terms = replace(self._rows[row].terms, ttl_s=question.rule.ttl_s)
            stages = Stages(terms, self._rows[row].encoder.index())
            scope = Scope(question.tenant, question.task, question.request.model, row, stages)
            while len(self.scopes) >= self._scopes_max:
                del self.scopes[next(iter(self.scopes))]
        elif scope.stages.terms.ttl_s != question.rule.ttl_s:
            scope.stages.terms = replace(scope.stages.terms, ttl_s=question.rule.ttl_s)
        self.scopes[digest] = scope
        return scope

    def _taken(self, question: Question) -> _Pending | None:
        pending = self._pending.get(question.digest)
        self._pending.discard(question.digest)
        return pending

    def _learn(self, scope: Scope, pending: _Pending, same: dict[int, bool], now_s: float, fresh: Fresh | None) -> None:
        event = scope.stages.learn(pending.looked, pending.vector, pending.slots, same, now_s=now_s, fresh=fresh)
        if event is None:
            return
        tally = scope.stages.tally
        log.info("similar questions", task=scope.task, what=event, audits=tally.audits, wrong=tally.audits_wrong)
        if event in ENDS:
            scope.stages.clear(self._rows[scope.row].encoder.index())
        self._tell()


ENDS: tuple[Event, ...] = ("alarm", "worn out")


def _with(answer: KeptAnswer, content: bytes) -> KeptAnswer:
    return replace(answer, body=apply(answer.body, [Edit(("content",), content)]))

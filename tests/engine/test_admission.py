"""What one call has taken: put right with each attempt, given back when it leaves, once."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from thriftgate.core.control.limit_shelf import Caller, Shelf
from thriftgate.core.control.limits import Bucket, Limit, Needs
from thriftgate.core.control.whose import NOBODY
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.admission import Admission
from thriftgate.ledger.entries import Entry
from thriftgate.providers.transport import Headers

LIMITS = (
    Limit("r", "r", "requests", 10),
    Limit("o", "o", "output_tokens", 100),
    Limit("u", "u", "usd", 1000),
    Limit("c", "c", "concurrency", 3),
    Limit("s", "s", "concurrency", 3, scope=("model=strong",)),
)
NEEDS = Needs(1, 0, 40, 40, 400, 1)


class Counted:
    """A shelf whose clock stands."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.shelf.lay(LIMITS)
        self.gone: list[str] = []

    def buckets(self, model: str = "cheap") -> tuple[Bucket, ...]:
        return self.shelf.buckets(Caller("k", NOBODY, model, "p", ""), 0)

    def put(self, call_id: str, buckets: Sequence[Bucket], used: Needs, taken: Needs) -> None:
        assert call_id == "a"  # whichever attempt it was
        self.shelf.put(buckets, used, taken, 0)

    def left(self, call_id: str) -> None:
        self.gone.append(call_id)

    def told(self, buckets: Sequence[Bucket]) -> Headers:
        return tuple((b"one", one.whose.encode()) for one in buckets)

    def rest(self) -> dict[str, int]:
        return {one.limit.id: one.left(0) for one in self.buckets("strong")}


def let_in(counted: Counted) -> Admission:
    admission = Admission(counted)
    buckets = counted.buckets()
    assert counted.shelf.take(buckets, NEEDS, 0) is None
    admission.comes_in("a", buckets, NEEDS)
    assert admission.is_in
    return admission


def ended(entry_id: str, output: int, paid: int, outcome: str = "answered") -> Entry:
    return replace(entry_of(entry_id, paid), usage=Usage(Tokens(output=output)), outcome=outcome)


def test_one_attempt() -> None:
    counted = Counted()
    admission = let_in(counted)
    assert counted.rest() == {"r": 9, "o": 60, "u": 600, "c": 2, "s": 3}
    admission.settled(ended("a", 150, 10))
    admission.settled(ended("a", 150, 10))
    admission.settled(ended("other", 150, 10))
    assert counted.rest() == {"r": 9, "o": -50, "u": 990, "c": 2, "s": 3}  # overdrawn by what it used in the end
    for _ in range(2):
        admission.leave()
        assert counted.gone == ["a"]
        assert counted.rest() == {"r": 9, "o": -50, "u": 990, "c": 3, "s": 3}
    assert [value for _, value in admission.told()] == [b"r", b"o", b"u", b"c"]


def test_another_attempt_is_the_same_request() -> None:
    counted = Counted()
    admission = let_in(counted)
    admission.settled(ended("a", 10, 100))
    admission.goes_on("b", counted.buckets("strong"), NEEDS)
    assert counted.rest() == {"r": 9, "o": 50, "u": 500, "c": 2, "s": 2}
    admission.settled(ended("b", 20, 200))
    assert counted.rest() == {"r": 9, "o": 70, "u": 700, "c": 2, "s": 2}
    admission.leave()
    assert counted.rest() == {"r": 9, "o": 70, "u": 700, "c": 3, "s": 3}


def test_what_was_never_sent_uses_nothing() -> None:
    counted = Counted()
    let_in(counted).leave()
    assert counted.rest() == {"r": 10, "o": 100, "u": 1000, "c": 3, "s": 3}
    admission = let_in(counted)
    admission.settled(ended("a", 0, 0, "unreachable"))
    admission.leave()
    assert counted.rest() == {"r": 10, "o": 100, "u": 1000, "c": 3, "s": 3}
    Admission(counted).leave()
    assert counted.rest() == {"r": 10, "o": 100, "u": 1000, "c": 3, "s": 3}

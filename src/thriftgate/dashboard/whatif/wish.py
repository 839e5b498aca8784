"""What is asked: which caching, pings, what share in batches, what share on another model, what discount."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import asdict, replace

from thriftgate.audit.replay.policies import CACHE, KEEPALIVE, PINGS, Candidate
from thriftgate.core.errors import InputError
from thriftgate.core.plan import Policy

NOW, NONE, CLIENT = "now", "none", "client"
CACHING = {
    NOW: "as it is set now",
    "ttl-only": "lifetimes by expected value",
    "add": "free breakpoints too",
    "full": "all breakpoints by expected value",
    "habit-5m": "always 5 minutes",
    "habit-1h": "always an hour",
    CLIENT: "only what clients mark",
    NONE: "no caching",
}
"""What may be done for the cache: as the URL says it -> as people read it."""
NAME = "what-if"
CALLS = (250, 500, 1_000, 2_000, 5_000)
CALLS_USUAL = 1_000
PERCENT_MAX = 100
DISCOUNT_MAX = 60


class Wish(Struct, frozen=True):
    """Shares in percent. `batch` is of the calls that are no part of a conversation, `move` of the calls to `model`, which
    go to `to`; `discount` is off all prices. `calls` is how many of the latest calls are replayed."""

    caching: str = NOW
    pings: bool = False
    batch: int = 0
    move: int = 0
    model: str = ""
    to: str = ""
    discount: int = 0
    calls: int = CALLS_USUAL

    @property
    def moves(self) -> bool:
        """Whether any call goes to another model."""
        return bool(self.move and self.model and self.to and self.model != self.to)

    @property
    def asks(self) -> bool:
        """Whether anything would be otherwise."""
        return replace(self, calls=CALLS_USUAL, model="", to="", move=self.move if self.moves else 0) != Wish()

    def query(self) -> str:
        """As the URL says it."""
        usual = Wish()
        told = {name: value for name, value in asdict(self).items() if value != getattr(usual, name)}
        named = {"from" if name == "model" else name: "on" if value is True else value for name, value in told.items()}
        return urlencode(named)

    def candidate(self, now: Policy) -> Candidate:
        """The policy to replay; `now` is the one in force."""
        pings = PINGS if self.pings else None
        if self.caching == NOW:
            return Candidate(NAME, "levers", "what if", now, pings=pings, adds=KEEPALIVE if pings else "")
        if self.caching.startswith("habit"):
            return Candidate(NAME, "client", "what if", client=self.caching)
        if self.caching in (CLIENT, NONE):
            return Candidate(NAME, "levers", "what if", Policy(levers=()))
        policy = Policy(levers=(CACHE,), cache_mode=self.caching)  # type: ignore[arg-type]
        return Candidate(NAME, "levers", "what if", policy, pings=pings, adds=KEEPALIVE if pings else "")


def wish_of(query: Mapping[str, str]) -> Wish:
    """What a query string asks for. Raises InputError."""
    caching = query.get("caching") or NOW
    if caching not in CACHING:
        raise InputError(f"caching: {caching[:40]!r} is none of {', '.join(CACHING)}")
    calls = _whole(query, "calls", CALLS_USUAL, CALLS[-1])
    if calls < 1:
        raise InputError("calls: at least 1")
    return Wish(
        caching=caching,
        pings=query.get("pings", "") in ("on", "true", "1"),
        batch=_whole(query, "batch", 0, PERCENT_MAX),
        move=_whole(query, "move", 0, PERCENT_MAX),
        model=query.get("from", "")[:200],
        to=query.get("to", "")[:200],
        discount=_whole(query, "discount", 0, DISCOUNT_MAX),
        calls=calls,
    )


def _whole(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= most):
        raise InputError(f"{name}: {text[:20]!r} is no whole number from 0 to {most}")
    return int(text)

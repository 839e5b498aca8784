"""One request for a page, and what pages are made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from thriftgate.clock import Clock
from thriftgate.core.errors import InputError
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook
from thriftgate.dashboard.look import Look
from thriftgate.dashboard.whatif.worker import Replayer
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.sealing import Vault
from thriftgate.ledger.sql import SqlLedger
from thriftgate.settings import Settings

VALUE_MAX = 2_000  # characters of one parameter: names are shorter
FIELDS_MAX = 100


@dataclass(frozen=True)
class Sources:
    """What pages are made from. `books` are for questions; what is changed goes through `ledger`, which is the gateway's own
    where it runs in this process, so that what it remembers stays true. `beside`: the gateway is another process. `vault`
    seals new keys; `changed` is told when they were."""

    books: SqlLedger
    ledger: SqlLedger
    book: PriceBook
    models: ModelTable
    settings: Settings
    clock: Clock
    replayer: Replayer
    beside: bool
    vault: Callable[[], Awaitable[Vault]] | None = None
    changed: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Viewer:
    """Who looks. `csrf` is what a form must send back; empty where nobody is logged in."""

    actor: Actor
    csrf: str = ""

    @property
    def name(self) -> str:
        return self.actor.name or self.actor.who

    @property
    def team(self) -> str:
        """The only team that this viewer sees; "" is all."""
        return self.actor.team if self.actor.role == "team-admin" else ""

    @property
    def is_admin(self) -> bool:
        """Whether budgets and teams are this viewer's to change."""
        return self.actor.writes and self.actor.role in ("owner", "admin") and bool(self.csrf)

    @property
    def makes_keys(self) -> bool:
        """Whether keys are, be it those of one team."""
        return self.is_admin or (self.actor.writes and self.actor.role == "team-admin" and bool(self.csrf))


@dataclass(frozen=True)
class Asked:
    """One request: who looks at what. `rest` is the path behind the page's own, `form` what was sent with a POST;
    `labels` are what keys and teams are called that the books name by their ids."""

    sources: Sources
    viewer: Viewer
    look: Look
    rest: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def called(self, name: str) -> str:
        """What people call it."""
        return self.labels.get(name, name)

    @property
    def span(self) -> tuple[int, int]:
        """The span that is looked at, in microseconds since 1970."""
        return self.look.span_us


def fields_of(text: str) -> dict[str, str]:
    """Form fields or a query string; of a name that comes twice the last one. Raises InputError for what nobody types."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise InputError(f"more than {FIELDS_MAX} fields") from None
    for name, value in pairs:
        if len(value) > VALUE_MAX:
            raise InputError(f"{name[:40]}: at most {VALUE_MAX} characters")
    return dict(pairs)

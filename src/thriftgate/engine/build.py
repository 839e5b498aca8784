"""The one composition root: settings in, a running engine out. Nothing below reads a file, the environment or a clock."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Sequence
from fractions import Fraction

from thriftgate.clock import Clock, SystemClock
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.core.health.breaker import Patience
from thriftgate.core.keepalive import Bounds, quiet_hours
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Policy
from thriftgate.core.prices import PriceBook
from thriftgate.engine.engine import Engine, GuardTable
from thriftgate.engine.failover import FailoverRules
from thriftgate.engine.forgetting import Forgetting
from thriftgate.engine.governing import Bounds as Waits
from thriftgate.engine.hedging import HedgeRules
from thriftgate.engine.leading import Leading
from thriftgate.engine.limiting import LimitsTable
from thriftgate.engine.limits import Limits
from thriftgate.engine.reply import Drain
from thriftgate.engine.retry import RetryPolicy
from thriftgate.engine.reuse_table import add_reuse
from thriftgate.engine.routing_table import routing_table
from thriftgate.engine.shared_table import add_shared
from thriftgate.engine.shorter_tables import check_summarisers, guard_limits, history_policy, output_table, recipe_of
from thriftgate.engine.snapshot import Knowledge
from thriftgate.engine.targets import Pool, Target, keyed
from thriftgate.engine.upstreams import Rules
from thriftgate.engine.vaults import provider_secrets
from thriftgate.ledger.connection import Presence
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_limits import SqlLimitBook
from thriftgate.logs import log
from thriftgate.pricing.load import load_book, load_models
from thriftgate.pricing.places import place_named, with_places
from thriftgate.providers import PROVIDERS
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.keys import ProviderKey
from thriftgate.providers.provider import Provider
from thriftgate.providers.receivers import guarded
from thriftgate.providers.tls import client_context
from thriftgate.providers.transport import Timeouts, Transport
from thriftgate.settings import Settings, TargetRow, Upstream, caller_limits

DEFAULT_KEY = "default"  # the name of `upstream.api_key` in the books
SECONDS_PER_HOUR = 3_600


async def build_engine(
    settings: Settings,
    *,
    transport: Transport | None = None,
    clock: Clock | None = None,
    beside: bool = False,
    keys: tuple[ProviderKey, ...] = (),
    draw: Callable[[], float] | None = None,
    opening: Callable[[Settings], SqlLedger] | None = None,
) -> Engine:
    """Open the ledger, close what a killed process left open in it, and wire everything together.

    Of several gateways on one ledger one leads; where the settings know of no others, a second one is turned away. A worker
    may make calls `beside` them, and never leads. Must run inside the event loop the engine will live in. `keys` are the
    provider's beside those of the settings, wherever they are kept; `draw` gives numbers between 0 and 1, by chance where
    none is handed in; `opening` opens the ledger, as `[ledger]` says where none is handed in. Raises ConfigError and
    LedgerError.
    """
    clock, draw = clock or SystemClock(), draw or secrets.SystemRandom().random
    upstream, knowledge = settings.upstream, _known(settings)
    ledger = (opening or open_books)(settings)
    token = secrets.token_hex(4)
    liveness: Presence | None = None
    try:
        leading = await leading_of(ledger, beside=beside, others=settings.is_fleet)
        liveness = ledger.store.presence(token)
        own = (*(keys_of(settings) or await kept_keys(settings, ledger)), *keys)
        pool = pool_of(settings, own)
        knowledge.book = _book_at(pool, knowledge.book, settings)
        key_salt = bytes.fromhex(await ledger.secret("key_salt", secrets.token_hex(32)))
        output = output_table(settings)
        policy = policy_of(settings)
        check_summarisers(settings, knowledge.models)
        routing = routing_table(settings, knowledge.models, await artefact_secret(settings, ledger))
    except (LedgerError, ConfigError):
        await ledger.close()
        if liveness is not None:
            liveness.close()
        raise
    engine = Engine(
        pool=pool,
        transport=FinishingTransport(transport or transport_of(upstream), clock),
        ledger=ledger,
        knowledge=knowledge,
        policy=policy,
        limits=limits_of(settings, beside=beside),
        clock=clock,
        new_id=call_ids(clock, token),
        key_salt=key_salt,
        liveness=liveness,
        leading=leading,
        routing=routing,
        guard=GuardTable(guard_limits(settings), settings.guard.days_kept * 86_400.0),
        output=output,
        keeps_summaries=settings.context.store_summaries,
        own_key=own[0].secret if own else "",
        draw=draw,
        budgets=SqlBudgetBook(ledger),
        callers=LimitsTable(caller_limits(settings.limits), settings.limits.wait_s, SqlLimitBook(ledger)),
    )
    if settings.ledger.keep_days and not beside:
        ledger.heard.append(Forgetting(ledger, settings.ledger.keep_days, engine.tasks, leading).heard)
    try:
        await add_reuse(engine, settings, key_salt, output=output, routing=routing, draw=draw)
        return await _begun(engine, settings)
    except (LedgerError, ConfigError):
        await engine.abandon()
        raise


def _known(settings: Settings) -> Knowledge:
    return Knowledge(
        load_book(settings.prices),
        load_models(settings.prices),
        settings.upstream.provider,
        cache_mode=settings.cache.mode,
        trails=settings.ledger.trails,
    )


async def _begun(engine: Engine, settings: Settings) -> Engine:
    await engine.recover()
    engine.leading.start()
    return await add_shared(engine, settings)


def open_books(settings: Settings) -> SqlLedger:
    """As `[ledger]` says. Raises LedgerError."""
    table = settings.ledger
    return SqlLedger.open(table.path, sync=table.sync, journal=table.journal if table.on_loss == "journal" else "")


async def leading_of(ledger: SqlLedger, *, beside: bool, others: bool) -> Leading:
    """Whether this process leads, now and later. Raises LedgerError where another one does and no `others` are known of."""
    if beside:
        return Leading(leads=False)

    async def try_lead() -> bool:
        return ledger.try_lead()

    leading = Leading(try_lead)
    if not await leading.look() and not others:
        raise LedgerError(
            f"the ledger {ledger.path} is in use by another thriftgate; name another one, or set [redis], or "
            "server.unshared = true where several may serve it"
        )
    return leading


def _book_at(pool: Pool, book: PriceBook, settings: Settings) -> PriceBook:
    """The book with the prices of targets; what has none at any of them is told."""
    for model in sorted(model for model in pool.foreign if not book.knows(model)):
        log.warning("a target's model has no price: calls for it are refused; see [[prices.models]]", model=model)
    return with_places(book, factors_of(settings.targets))


async def kept_keys(settings: Settings, ledger: SqlLedger) -> tuple[ProviderKey, ...]:
    """The provider's keys that are kept with the books, the oldest first. Raises ConfigError and LedgerError."""
    kept = await provider_secrets(settings, ledger, settings.upstream.provider)
    return tuple(ProviderKey(name, secret) for name, secret in kept.items())


async def artefact_secret(settings: Settings, ledger: SqlLedger) -> bytes:
    """What artefacts are signed with: the settings' secret, or one that was drawn once for these books."""
    told = settings.routing.secret.get_secret_value()
    return told.encode() if told else bytes.fromhex(await ledger.secret("artefact_key", secrets.token_hex(32)))


def transport_of(upstream: Upstream) -> Transport:
    """The HTTP client that is set. Must run inside the event loop. Raises ConfigError for certificates that are wrong."""
    context = client_context(upstream.ca_file, upstream.client_cert, upstream.client_key)
    find = guarded(upstream.private_hosts)
    if upstream.transport == "aiohttp":
        from thriftgate.providers.aiohttp_transport import AiohttpTransport  # noqa: PLC0415  10 MB that the other does without

        return AiohttpTransport(ssl_context=context, find=find)
    return Http1Transport(ssl_context=context, find=find)


def call_ids(clock: Clock, process: str) -> Callable[[], str]:
    """Ids that sort by time and are unique: microseconds, a name drawn once per process, a counter. Drawing random bytes for
    each call would give the interpreter lock away in the middle of it."""
    numbers = itertools.count()
    return lambda: f"tg_{int(clock.now_s() * 1e6):014x}{process}{next(numbers) & 0xFFFF:04x}"


def policy_of(settings: Settings) -> Policy:
    """The tables `[policy]` and `[cache]` as the planner reads them."""
    limit = settings.policy.cost_limit_usd
    return Policy(
        levers=settings.policy.levers,
        cost_limit_pico=None if limit is None else pico_from_usd(limit),
        on_cost_limit=settings.policy.on_cost_limit,
        cache_mode=settings.cache.mode,
        stabilise=settings.cache.stabilise,
        recipe=recipe_of(settings),
        history=history_policy(settings),
    )


def limits_of(settings: Settings, *, beside: bool) -> Limits:
    """How long and how far the engine goes."""
    upstream = settings.upstream
    return Limits(
        timeouts=Timeouts(upstream.connect_timeout_s, upstream.read_timeout_s),
        retry=RetryPolicy(upstream.retry, upstream.attempts_max, upstream.retry_wait_s_max),
        drain=Drain(settings.server.drain_s),
        shutdown_s=settings.server.shutdown_s,
        fanout_wait_s=settings.cache.fanout_wait_s,
        latency_critical=frozenset(settings.cache.latency_critical_keys),
        keepalive=bounds_of(settings) if settings.keepalive.on and not beside else None,  # one process keeps to the caps
        governor=waits_of(settings) if settings.governor.on else None,
        choice=choice_of(settings),
        failover=failover_of(settings),
        hedging=HedgeRules(settings.failover.hedge_share, settings.failover.hedge_after_s),
    )


def keys_of(settings: Settings) -> tuple[ProviderKey, ...]:
    """The provider's keys that the settings name, `upstream.api_key` the first."""
    upstream = settings.upstream
    single = upstream.api_key.get_secret_value()
    first = (ProviderKey(DEFAULT_KEY, single),) if single else ()
    return first + tuple(
        ProviderKey(key.name, key.key.get_secret_value(), key.weight, key.shares_limits_with) for key in upstream.keys
    )


def waits_of(settings: Settings) -> Waits:
    """The `[governor]` table as the governor keeps to it."""
    table = settings.governor
    return Waits(table.queue_s_max, table.queue_calls_max, table.reserve_share)


def choice_of(settings: Settings) -> Rules:
    """The `[governor]` table as the choice of a key keeps to it."""
    table = settings.governor
    failover = settings.failover
    patience = Patience(failover.failures, failover.open_s, failover.open_s_max, table.probe_s)
    return Rules(pico_from_usd(table.wait_usd_per_hour) // SECONDS_PER_HOUR, patience)


def failover_of(settings: Settings) -> FailoverRules:
    """The `[failover]` table as calls keep to it."""
    table = settings.failover
    return FailoverRules(table.on, table.targets_max, table.deadline_s)


def pool_of(settings: Settings, keys: Sequence[ProviderKey]) -> Pool:
    """Where calls can go: with these keys of `[upstream]`, and to the targets beside it. Raises ConfigError."""
    upstream = settings.upstream

    def make(secret: str) -> Provider:
        return PROVIDERS[upstream.provider](Endpoint(url=upstream.url, key=secret))

    own = keyed(keys, make, order=settings.failover.upstream_order)
    targets = [target_of(row) for row in settings.targets]
    return Pool([*own, *targets], own[0].provider if own else make(""))


def target_of(row: TargetRow) -> Target:
    """One row of `[[targets]]`. Raises ConfigError for an endpoint that lacks what its provider needs."""
    provider = PROVIDERS[row.provider](row.endpoint())
    return Target(
        row.name,
        provider,
        row.weight,
        row.order,
        row.shares_limits_with,
        row.serves or (() if provider.traits.claude else tuple(row.models)),
        place_named(row.name) if row.price_factor != 1 else provider.place,
    )


def factors_of(targets: Sequence[TargetRow]) -> dict[str, tuple[str, Fraction]]:
    """The targets with prices of their own: the geography that they are in, and their factor."""
    own = [row for row in targets if row.price_factor != 1]
    return {row.name: (target_of(row).provider.place, Fraction(row.price_factor)) for row in own}


def bounds_of(settings: Settings) -> Bounds:
    """The `[keepalive]` table as the pings keep to it."""
    table = settings.keepalive
    return Bounds(
        margin=table.margin,
        hours_max=table.hours_max,
        quiet=quiet_hours(table.quiet_hours),
        day_pico=pico_from_usd(table.usd_per_day),
        key_day_pico=pico_from_usd(table.usd_per_key_per_day),
    )

"""Where calls come from and go to, and what is done to every one of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, SecretStr

from thriftgate.core.levers import LEVERS
from thriftgate.providers.anthropic import DEFAULT_URL
from thriftgate.settings.governing import UpstreamKey
from thriftgate.settings.table import Table


class Server(Table):
    """`[server]`: where the gateway listens, and how it ends."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8484, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    body_bytes_max: int = Field(
        default=32 * 1024 * 1024, gt=0, description="largest request body; the API's own limit is 32 MB"
    )
    batch_bytes_max: int = Field(
        default=256_000_000, gt=0, description="largest body of a batch that a client creates; the API's own limit is 256 MB"
    )
    drain_s: float = Field(default=60.0, ge=0, description="how long an answer is read on after its client left")
    shutdown_s: float = Field(default=30.0, ge=0, description="how long running streams may finish after SIGTERM")
    tls_cert: str = Field(default="", description="PEM file with the gateway's certificate chain; empty is plain HTTP")
    tls_key: str = Field(default="", description="PEM file with its private key, not encrypted; empty: in tls_cert")
    tls_client_ca: str = Field(
        default="", description="PEM file with the authorities of client certificates; clients then must show one"
    )
    connections_max: int = Field(default=10_000, ge=1, description="connections of clients at once")
    head_s: float = Field(default=20.0, gt=0, description="how long the head of a request may take to come")
    head_bytes_max: int = Field(default=65_536, ge=1024, description="largest head of a request: its line and headers")
    body_idle_s: float = Field(default=30.0, gt=0, description="how long a request's body may pause")
    body_bytes_per_s_min: int = Field(
        default=500, ge=0, description="a body slower than this, measured after body_idle_s, is cut off; 0 allows any"
    )
    answer_idle_s: float = Field(default=600.0, gt=0, description="how long a client may read nothing of what waits for it")
    drain_wait_s: float = Field(
        default=0.0,
        ge=0,
        description="how long after SIGTERM it goes on serving, /readyz at 503, so that a balancer turns away first",
    )
    workers: int = Field(default=1, ge=1, le=256, description="processes that serve one port; more than one needs [redis]")
    supervise: bool = Field(
        default=False, description="a supervisor for one worker, too: reload by SIGHUP, a new one after a crash"
    )
    retire_s: float = Field(
        default=600.0, ge=0, description="how long running streams may finish in a worker that a reload has replaced"
    )
    unshared: bool = Field(
        default=False,
        description="several processes without [redis]: each counts limits, failures and repeated calls for itself",
    )


class Upstream(Table):
    """`[upstream]`: where calls go."""

    provider: Literal["anthropic"] = Field(default="anthropic", description="wire format and envelope")
    url: str = Field(default=DEFAULT_URL, description="origin of the provider's API")
    api_key: SecretStr = Field(
        default=SecretStr(""), description="replaces the clients' own keys; empty passes theirs through"
    )
    keys: tuple[UpstreamKey, ...] = Field(
        default=(), description="several keys of the provider, to spread calls over; they replace the clients' own"
    )
    transport: Literal["http1", "aiohttp"] = Field(default="http1", description="HTTP client: our lean one, or aiohttp's")
    ca_file: str = Field(
        default="", description="PEM file with authorities to trust besides the system's, for all calls that go out"
    )
    client_cert: str = Field(default="", description="PEM file with the certificate to show where an upstream asks for one")
    client_key: str = Field(default="", description="PEM file with its private key, not encrypted; empty: in client_cert")
    private_hosts: tuple[str, ...] = Field(
        default=("*",), description="hosts that may have addresses of your own network; * is any, and an empty list none"
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, description="to connect")
    read_timeout_s: float = Field(default=600.0, gt=0, description="between two pieces of an answer")
    retry: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto leaves it to clients that retry themselves"
    )
    attempts_max: int = Field(default=3, ge=1, le=10, description="tries for one call, the first included")
    retry_wait_s_max: float = Field(default=8.0, ge=0, description="a longer retry-after is handed to the client")

    @property
    def first_key(self) -> str:
        """The gateway's own key that sends what belongs to one workspace, such as batches; "" where there is none."""
        return self.api_key.get_secret_value() or (self.keys[0].key.get_secret_value() if self.keys else "")


class LedgerSettings(Table):
    """`[ledger]`: where the books are."""

    path: str = Field(
        default="thriftgate.db",
        min_length=1,
        description="SQLite file, or postgresql://USER@HOST/NAME; :memory: keeps nothing",
    )
    sync: Literal["normal", "full"] = Field(default="normal", description="full also survives the death of the machine")
    on_loss: Literal["refuse", "journal"] = Field(
        default="refuse",
        description="when the books cannot be written: refuse calls, or forward them without a look at budgets, and keep "
        "what is to be booked in `journal` until they can",
    )
    journal: str = Field(default="thriftgate-journal.db", min_length=1, description="a file on this machine's own disk")
    trails: bool = Field(default=True, description="keep digests of prompts' boundaries, so that an audit can replay calls")
    keep_days: int = Field(
        default=0, ge=0, description="single calls are forgotten after so many days, what they add up to is not; 0 is never"
    )


class PolicySettings(Table):
    """`[policy]`: what planning may do."""

    levers: tuple[str, ...] = Field(
        default=tuple(lever.id for lever in LEVERS if lever.safe), description="levers that are on"
    )
    cost_limit_usd: Decimal | None = Field(default=None, gt=0, description="the most one call may cost in the worst case")
    on_cost_limit: Literal["refuse", "warn"] = Field(default="refuse", description="what happens above cost_limit_usd")


Stabiliser = Literal["split_volatile", "order_tools", "order_documents", "stable_json", "single_turn"]


class CacheSettings(Table):
    """`[cache]`: what may be done for the provider's prompt cache."""

    mode: Literal["observe", "ttl-only", "add", "full"] = Field(
        default="ttl-only",
        description="for clients that set breakpoints themselves: observe changes nothing, ttl-only lengthens lives, add "
        "also uses free breakpoints, full also moves and drops the client's",
    )
    stabilise: tuple[Stabiliser, ...] = Field(
        default=(),
        description="rewrites that keep a prefix the same from call to call; single_turn is your word that answers are "
        "never sent back",
    )
    fanout_wait_s: float = Field(
        default=2.0, ge=0, description="how long a call may wait for one that is writing its prefix; 0 is off"
    )
    latency_critical_keys: tuple[str, ...] = Field(
        default=(), description="keys whose calls never wait, by the names that the reports use (key_…)"
    )


class KeepaliveSettings(Table):
    """`[keepalive]`: pings that keep a pausing conversation in the cache. They are spend without anybody's call."""

    on: bool = Field(default=False, description="whether to send any")
    usd_per_day: Decimal = Field(default=Decimal(10), ge=0, description="the most that all pings of a UTC day may cost")
    usd_per_key_per_day: Decimal = Field(default=Decimal(5), ge=0, description="the same for one key")
    quiet_hours: str = Field(default="", description="no pings within these hours, UTC, such as 22:00-06:00; empty is none")
    hours_max: float = Field(default=12.0, gt=0, le=24, description="a conversation silent for longer is left alone")
    margin: float = Field(default=1.2, ge=1, description="how many times its cost a ping must be expected to save")


class DeferRule(Table):
    """`[[batch.rules]]`: calls that may wait without saying so themselves."""

    key: str = Field(default="", description="of this key, by the name that the reports use (key_…); empty is any")
    task: str = Field(default="", description="with this thriftgate-task header; empty is any")
    deadline: str = Field(min_length=1, description="answered within this time, such as 6h")
    wait: bool = Field(default=True, description="hold the connection; false answers 202 with a ticket")


class BatchSettings(Table):
    """`[batch]`: calls that can wait, through the provider's batches. Needs `upstream.api_key`."""

    window_s: float = Field(default=60.0, ge=0, description="how long calls are gathered before they leave, at most")
    queue_jobs: int = Field(default=200_000, ge=1, description="jobs at most in the provider's queue at once")
    cancel_s: float = Field(default=300.0, ge=0, description="time to allow for canceling a batch before a deadline")
    call_s: float = Field(default=60.0, gt=0, description="time to allow for one synchronous call before a deadline")
    parallel: int = Field(default=16, ge=1, description="synchronous calls at once for jobs whose deadline is near")
    answers_kept_h: float = Field(default=72.0, gt=0, description="how long answers of tickets can be asked for")
    webhooks: tuple[str, ...] = Field(default=(), description="URLs that may be told of answers, each with what is below it")
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="signs webhooks; needed where any is allowed")
    rules: tuple[DeferRule, ...] = Field(default=(), description="calls that may wait without saying so")

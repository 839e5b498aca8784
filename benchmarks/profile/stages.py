"""The stages of a call: what is measured under which name, by the functions that do it. One that is not there any more is an
error: then its row must be named anew."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS

_GATEWAY, _ENGINE, _CORE = "thriftgate.gateway", "thriftgate.engine", "thriftgate.core"
_HTTP_IN = "uvicorn.protocols.http.httptools_impl"

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("server: HTTP in, tasks", (f"{_HTTP_IN}:HttpToolsProtocol.data_received", f"{_HTTP_IN}:RequestResponseCycle.run_asgi")),
    ("server: HTTP out", (f"{_HTTP_IN}:RequestResponseCycle.send",)),
    ("door: routes, errors", (f"{_GATEWAY}.app:Gateway.__call__",)),
    ("door: who calls, headers", (f"{_GATEWAY}.messages:call_of", f"{_GATEWAY}.access:Access.check_models")),
    ("door: read body", (f"{_GATEWAY}.asgi:read_body",)),
    ("parse request", (f"{_CORE}.request:parse_request",)),
    ("limits of callers", (f"{_ENGINE}.limiting:Limiting.within", f"{_ENGINE}.limiting:Limiting.let_in")),
    ("earlier answers", (f"{_ENGINE}.reusing.room:Reusing._question", f"{_ENGINE}.reusing.room:Reusing._found")),
    ("engine: in between", (f"{_ENGINE}.engine:Engine.messages",)),
    ("prepare: in between", (f"{_ENGINE}.preparing:Preparer.prepare", f"{_ENGINE}.preparing:Preparer._prepared")),
    ("prepare: choice of target", (f"{_ENGINE}.upstreams:Upstreams.chosen", f"{_ENGINE}.moving:moved")),
    ("prepare: route, task", (f"{_ENGINE}.routing:Router.enrol", f"{_ENGINE}.routing:Router.route")),
    ("prepare: agent guard", (f"{_ENGINE}.guarding:Guarding.look", f"{_ENGINE}.guarding:Guarding.take")),
    ("prepare: shorter prompt", (f"{_ENGINE}.reducing:Reducer.reduce",)),
    (
        "prepare: shape of answer",
        (f"{_ENGINE}.shaping:Shaper.shape", f"{_ENGINE}.provider_side:ProviderSide.asked"),
    ),
    ("prepare: what breaks prefixes", (f"{_ENGINE}.preparing:Preparer._watch",)),
    ("snapshot: in between", (f"{_ENGINE}.snapshot:Knowledge.snapshot",)),
    ("snapshot: blocks", (f"{_CORE}.memo:PartMemo.conversation", f"{_CORE}.memo:PartMemo.member")),
    ("snapshot: prefix digests", (f"{_CORE}.prefix:read_prefix",)),
    ("snapshot: token estimate", (f"{_CORE}.tokens.memory:TokenMemory.estimate", f"{_ENGINE}.snapshot:framing")),
    ("snapshot: outlook of reuse", (f"{_CORE}.reuse:Reuse.look", f"{_CORE}.reuse:Reuse.pass_time")),
    ("plan: in between", (f"{_CORE}.planner:make_plan",)),
    ("plan: forecast", (f"{_CORE}.forecast:forecast",)),
    ("plan: splice", (f"{_CORE}.splice:apply",)),
    ("learn: prefixes in use", (f"{_ENGINE}.snapshot:Knowledge.observe",)),
    ("learn: looks, residency", (f"{_ENGINE}.settle:learn_residency",)),
    ("hold, budgets", (f"{_ENGINE}.holding:held", f"{_ENGINE}.budgeting:Budgeting.held")),
    (
        "send: in between",
        (f"{_ENGINE}.carrying:Carrier.send", f"{_ENGINE}.sending:Sender.send", f"{_ENGINE}.failover:Failover.answered"),
    ),
    ("send: governor", (f"{_ENGINE}.carrying:Carrier._turn", f"{_ENGINE}.turns:Turn.ready", f"{_ENGINE}.turns:Turn.heard")),
    ("send: provider's envelope", ("thriftgate.providers.anthropic:Anthropic.prepare",)),
    (
        "send: HTTP client",
        (
            "thriftgate.providers.http1_transport:Http1Transport.send",
            "thriftgate.providers.http1_connection:Connection.ask",
            "thriftgate.providers.http1_connection:Connection.data_received",
            "thriftgate.providers.http1_connection:Http1Incoming.read",
        ),
    ),
    ("relay: stream", (f"{_ENGINE}.reply:StreamReply.read", f"{_ENGINE}.reply:StreamReply.leave")),
    (
        "relay: meter",
        (
            "thriftgate.wire.meter:StreamMeter.feed",
            "thriftgate.wire.meter:StreamMeter.reading",
            "thriftgate.wire.anthropic_messages:AnthropicMessages.read",
        ),
    ),
    ("relay: headers", (f"{_ENGINE}.reply:reply_headers",)),
    ("settle: in between", (f"{_ENGINE}.carrying:Carrier.settle",)),
    ("settle: entry", (f"{_ENGINE}.settle:entry_for",)),
    ("settle: learn from the bill", (f"{_ENGINE}.settle:_learn",)),
    ("settle: price, attribute", (f"{_ENGINE}.settle:_priced",)),
    ("settle: explain the miss", (f"{_ENGINE}.settle:_missed",)),
    (
        "settle: lengths, accounts",
        (
            f"{_ENGINE}.carrying:Carrier.learn_length",
            f"{_ENGINE}.carrying:Carrier.keep_account",
            f"{_ENGINE}.engine:Engine._booked",
            f"{_ENGINE}.guarding:Guarding.settled",
            f"{_ENGINE}.turns:Turns.settled",
        ),
    ),
    ("ledger: hand over, wake", ("thriftgate.ledger.sql:SqlLedger.hold", "thriftgate.ledger.sql:SqlLedger.settle")),
    ("ledger: who hears of it", ("thriftgate.ledger.sql:SqlLedger.settled",)),
    ("telemetry: tallies", ("thriftgate.gateway.observing:Observer._hear",)),
    ("alerts: detectors, rules", ("thriftgate.alerts.watch:Watch._see", "thriftgate.alerts.watch:Watch.drain")),
    ("thread: transactions, waiting", ("thriftgate.ledger.sql:SqlLedger._write_batch",)),
    ("thread: rows", ("thriftgate.ledger.rows:entry_row", "thriftgate.ledger.rows:hold_row")),
    ("thread: insert rows", ("thriftgate.ledger.sqlite:SqliteConnection.insert",)),
    (
        "thread: budgets",
        (
            "thriftgate.ledger.sql_budgets:Till.take",
            "thriftgate.ledger.sql_budgets:Till.settle",
            "thriftgate.ledger.sql_budgets:Till.write",
        ),
    ),
    ("thread: roll-ups", ("thriftgate.ledger.sql_rollups:add",)),
    *((f"plan: {lever.id}", (f"{type(lever).__module__}:{type(lever).__qualname__}.propose",)) for lever in LEVERS),
)

"""The `[redis]` table as the engine reads it, and what replicas share by it."""

from __future__ import annotations

from thriftgate.core.errors import ConfigError
from thriftgate.engine.engine import Engine
from thriftgate.engine.hearsay import Hearsay
from thriftgate.engine.sharing import Sharing
from thriftgate.settings import Settings
from thriftgate.shared.address import read_address
from thriftgate.shared.counts import Counts
from thriftgate.shared.lane import Lane
from thriftgate.shared.news import News
from thriftgate.shared.scripts import script
from thriftgate.shared.writes import Writes


async def add_shared(engine: Engine, settings: Settings) -> Engine:
    """The engine, made to share what it must with its replicas, where a server for that is named. One that cannot be reached
    is waited for in the background. Must run inside the event loop. Raises ConfigError: then the engine is closed."""
    table = settings.redis
    url = table.url.get_secret_value()
    if not url:
        return engine
    try:
        address = read_address(url, table.ca)
    except ConfigError:
        await engine.close()
        raise
    replica = engine.worker_name

    def lane(name: str) -> Lane:
        tag = f"{table.prefix}:{name}"
        return Lane(address, script("calls"), tag=tag, replica=replica, timeout_s=table.timeout_s, clock=engine.clock)

    calls, background = lane("calls"), lane("news")
    hearsay = Hearsay(engine.knowledge, engine.upstreams.health, engine.clock)
    news = News(background, replica, hearsay.gathered, hearsay.take_in)
    counts = Counts(calls, engine.clock, table.on_loss, lambda: news.replicas)
    engine.sharing = Sharing(calls, background, counts, news, hearsay)
    engine.limiting.share(counts)
    engine.fanout.share(Writes(calls), engine.knowledge.memory)
    await engine.sharing.start(table.timeout_s)
    return engine

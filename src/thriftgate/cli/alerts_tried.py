"""`thriftgate alerts test`: a message through each sink."""

from __future__ import annotations

import asyncio
from typing import Any

from thriftgate.alerts.build import roads_of, sinks_of
from thriftgate.cli.output import say
from thriftgate.clock import Clock, SystemClock
from thriftgate.core.alerting.alert import Alert, Message, Notice, Sighting
from thriftgate.core.alerting.life import Habits, sighted
from thriftgate.core.alerting.message import text_of
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.settings import Settings


def tested(settings: Settings, only: str | None) -> dict[str, Any]:
    """What became of it. Raises InputError for a sink that there is not, ConfigError for one that cannot be."""
    names = [row.name for row in settings.alerts.told]
    if only is not None and only not in names:
        raise InputError(f"there is no sink {only!r}; the settings have: {', '.join(names)}")
    results = asyncio.run(_test(settings, SystemClock(), names if only is None else [only]))
    return {"ok": all(one["ok"] for one in results), "sinks": results}


def print_tested(document: dict[str, Any]) -> None:
    for one in document["sinks"]:
        say(f"{one['sink']}: {'taken' if one['ok'] else one['error']}")


async def _test(settings: Settings, clock: Clock, names: list[str]) -> list[dict[str, Any]]:
    transport, roads = roads_of(settings, clock)
    try:
        sinks = sinks_of(settings, roads)
        results = []
        for name in names:
            now_us = int(clock.now_s() * 1e6)
            message = Message(f"tga_test_{now_us}", name, (Notice(0, name, "opened", now_us, _alert(now_us)),))
            try:
                await sinks[name].send(message, text_of(message, settings.alerts.public_url))
                results.append({"sink": name, "ok": True, "error": ""})
            except ThriftgateError as error:
                results.append({"sink": name, "ok": False, "error": str(error)})
        return results
    finally:
        await transport.close()


def _alert(now_us: int) -> Alert:
    sighting = Sighting(
        "test", "test", "a test of thriftgate's alerts; nothing is wrong", "info", evidence=("somebody ran alerts test",)
    )
    return sighted(None, sighting, Habits(), now_us, silenced=False)[0]

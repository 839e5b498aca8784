"""What `thriftgate route explain` finds out: the decision that the gateway would make, by tables, artefacts and audits."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.core.routing.artefacts import artefact_of
from tests.engine.routes import rows
from tests.fixtures import HEADERS, call_of, engine_on, settings_of, simulator
from thriftgate.cli.route_explain import explained, print_explanation
from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.core.routing.artefact import Artefact, signed
from thriftgate.engine.build import artefact_secret
from thriftgate.ledger.sql import SqlLedger
from thriftgate.quality.proof import Proof, Sampling
from thriftgate.settings import Settings

STRONG, CHEAP = "claude-opus-5-5", "claude-haiku-5-5"
BODY = msgspec.json.encode(
    {"model": STRONG, "max_tokens": 100, "messages": [{"role": "user", "content": "Sort: late parcel"}]}
)
FOREVER_S = 1e11
TICKETS = ((b"thriftgate-task", b"tickets"),)


def lasting(**members: Any) -> Artefact:
    """An artefact that sends the task "tickets" to the cheap model, whatever the day is."""
    return artefact_of({"tickets": -5.0}, strong=STRONG, cheap=CHEAP, made_s=0.0, expires_s=FOREVER_S, **members)


def learned(folder: Path, *, path: str = "", secret: str = "") -> Settings:
    return settings_of(
        policy={"levers": ("cache.breakpoints", "count.guard", "route.learned")},
        routing={"artefacts": (str(folder / "artefact.json"),), "secret": secret},
        ledger={"path": path or str(folder / "books.db")},
    )


def reason_of(document: dict[str, Any], lever: str = "route.learned") -> tuple[str, str]:
    return next((one["decision"], one["reason"]) for one in document["plan"] if one["lever"] == lever)


def test_levers_that_are_off() -> None:
    document = explained(settings_of(), BODY, (), "")
    assert (document["asked"], document["served"]) == (STRONG, STRONG)
    assert document["task"].startswith("fp:")
    assert [one["lever"] for one in document["plan"]] == ["route.rules", "route.learned", "route.cascade"]
    assert {one["reason"] for one in document["plan"]} == {"off in the policy"}
    assert document["asked_usd"] == document["forecast_usd"]


def test_a_rule_and_what_it_saves() -> None:
    table = {"rules": rows({"to": CHEAP, "name": "small ones", "key": "key_1", "tokens_max": 500})}
    settings = settings_of(policy={"levers": ("route.rules",)}, routing=table)
    document = explained(settings, BODY, (), "key_1")
    assert document["served"] == CHEAP
    assert "small ones" in reason_of(document, "route.rules")[1]
    assert Decimal(document["forecast_usd"]) < Decimal(document["asked_usd"])
    saved = Decimal(document["asked_usd"]) - Decimal(document["forecast_usd"])
    assert sum(Decimal(one["forecast_usd"]) for one in document["plan"]) == saved
    assert explained(settings, BODY, (), "key_2")["served"] == STRONG
    assert explained(settings, BODY, ((b"thriftgate-route", b"off"),), "key_1")["served"] == STRONG


def test_an_artefact_with_a_secret_of_its_own_needs_no_books(tmp_path: Path) -> None:
    (tmp_path / "artefact.json").write_bytes(signed(lasting(), b"shared"))
    document = explained(learned(tmp_path, secret="shared"), BODY, TICKETS, "")
    assert (document["served"], document["task"]) == (CHEAP, "tickets")
    assert explained(learned(tmp_path, secret="shared"), BODY, (), "")["served"] == STRONG
    assert not (tmp_path / "books.db").exists(), "a question makes no books"
    with pytest.raises(ConfigError, match="signature"):
        explained(learned(tmp_path, secret="another"), BODY, TICKETS, "")


def test_an_artefact_of_these_books(tmp_path: Path) -> None:
    settings = learned(tmp_path)

    async def sign() -> None:
        books = SqlLedger.open(settings.ledger.path)
        (tmp_path / "artefact.json").write_bytes(signed(lasting(), await artefact_secret(settings, books)))
        await books.close()

    asyncio.run(sign())
    assert explained(settings, BODY, TICKETS, "")["served"] == CHEAP
    with pytest.raises(ConfigError, match="signature"):
        explained(learned(tmp_path, path=str(tmp_path / "other.db")), BODY, TICKETS, "")


def test_books_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "artefact.json").write_bytes(signed(lasting(), b"shared"))
    (tmp_path / "books.db").write_text("dear diary, " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        explained(learned(tmp_path, secret="shared"), BODY, TICKETS, "")


def test_what_audits_have_rolled_back(tmp_path: Path) -> None:
    """As the gateway has put it down; nobody else touches the file meanwhile."""
    (tmp_path / "artefact.json").write_bytes(signed(lasting(), b"shared"))
    settings = learned(tmp_path, secret="shared")

    async def roll_back(**found: dict[str, Any]) -> None:
        tables = {name: getattr(settings, name).model_dump() for name in ("policy", "ledger")}
        routing = {"artefacts": settings.routing.artefacts, "secret": "shared"}
        async with engine_on(simulator(), routing=routing, **tables) as engine:
            proof = Proof(engine, Sampling())
            await engine.witnessed("proof", proof, proof)
            for name, value in found.items():
                setattr(engine.router, name, value)

    assert explained(settings, BODY, TICKETS, "")["served"] == CHEAP
    asyncio.run(roll_back(pinned={"cal-1": {"tickets": "of 60 audited calls 31 differed"}}))
    document = explained(settings, BODY, TICKETS, "")
    assert document["served"] == STRONG
    assert "of 60 audited calls 31 differed" in reason_of(document)[1]
    asyncio.run(roll_back(pinned={}, suspended={"cal-1": "the mix has moved"}))
    assert "the mix has moved" in reason_of(explained(settings, BODY, TICKETS, ""))[1]


async def test_lots_fall_as_in_the_gateway(tmp_path: Path) -> None:
    """A share of the conversations goes to the cheap model: drawn with the salt of the books."""
    (tmp_path / "artefact.json").write_bytes(signed(lasting(share=0.5), b"shared"))
    settings = learned(tmp_path, secret="shared")
    bodies = [BODY.replace(b"late parcel", f"late parcel {at}".encode()) for at in range(16)]
    routing = {"artefacts": settings.routing.artefacts, "secret": "shared"}
    tables = {name: getattr(settings, name).model_dump() for name in ("policy", "ledger")}
    async with engine_on(simulator(), routing=routing, **tables) as engine:
        key = engine.key_of(HEADERS["x-api-key"])
        for body in bodies:
            await engine.messages(call_of(body, headers=HEADERS | {"thriftgate-task": "tickets"}))
        served = [entry.model for entry in await engine.ledger.entries()]
    assert set(served) == {STRONG, CHEAP}
    found = await asyncio.to_thread(lambda: [explained(settings, body, TICKETS, key)["served"] for body in bodies])
    assert found == served


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_explanation(explained(settings_of(), BODY, (), "") | {"kind": ""})
    told = capsys.readouterr()
    for words in ("(not plain)", STRONG, "fp:", "tokens", "forecast"):
        assert words in told.out
    assert "route.cascade: skipped: off in the policy" in told.err

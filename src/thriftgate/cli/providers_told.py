"""What `thriftgate providers` tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from thriftgate.cli.output import note, print_table
from thriftgate.cli.providers_asked import Heard
from thriftgate.clock import SystemClock
from thriftgate.core.cost import day_of
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.models import ModelTable
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.engine.build import factors_of
from thriftgate.engine.targets import Pool, Target
from thriftgate.pricing.load import load_book, load_models
from thriftgate.pricing.places import with_places
from thriftgate.providers import PROVIDERS
from thriftgate.providers.provider import MIB, Provider, Traits
from thriftgate.settings import Settings

RATES = ("input", "write_5m", "write_1h", "read", "output")


def document_of(pool: Pool, settings: Settings, heard: Mapping[str, Heard]) -> dict[str, Any]:
    """The whole document; prices are per million tokens, of today."""
    book = with_places(load_book(settings.prices), factors_of(settings.targets))
    models, day = load_models(), day_of(SystemClock().now_s())
    targets = [_target(one, book, models, day) | _health(heard.get(one.name)) for one in pool.targets]
    return {"targets": targets, "providers": [_provider(name, kind) for name, kind in PROVIDERS.items()]}


def _target(target: Target, book: PriceBook, models: ModelTable, day: int) -> dict[str, Any]:
    listed = target.serves or tuple(row.id for row in models.rows if book.knows(row.id))
    return {
        "name": target.name,
        "provider": target.provider.name,
        "url": target.provider.url,
        "order": target.order,
        "weight": target.weight,
        "place": target.place,
        "models": [_model(target, model, book, day) for model in listed if target.has(model)],
    }


def _model(target: Target, model: str, book: PriceBook, day: int) -> dict[str, Any]:
    told: dict[str, Any] = {"model": model, "there": target.provider.model_id(model)}
    try:
        rates = book.rates(Terms(model, day, geo=target.place), 0)
    except UnknownPrice as error:
        return told | {"unpriced": str(error)}
    return told | {f"{name}_usd": usd_from_pico(getattr(rates, name)) for name in RATES}


def _health(heard: Heard | None) -> dict[str, Any]:
    return {} if heard is None else {"health": asdict(heard)}


def _provider(name: str, kind: type[Provider]) -> dict[str, Any]:
    traits = getattr(kind, "traits", None)
    if not isinstance(traits, Traits):
        return {"name": name}
    told = {key: sorted(value) if isinstance(value, frozenset) else value for key, value in asdict(traits).items()}
    return {"name": name, **told}


# --- for people ------------------------------------------------------------------------------------------------------------


def show(document: dict[str, Any]) -> None:
    """The targets, and what providers can do."""
    if document["targets"]:
        rows = [_target_row(one) for one in document["targets"]]
        print_table(("target", "provider", "order", "place", "models", "answers"), rows, title="Targets", left=6)
        for one in document["targets"]:
            detail = one.get("health", {}).get("detail", "")
            if detail:
                note(f"{one['name']}: {detail}")
    else:
        note("calls go to [upstream] with their clients' keys; set [[targets]] or upstream.api_key for others")
    rows = [_provider_row(one) for one in document["providers"]]
    columns = ("provider", "Claude", "cache", "batches", "counts", "betas", "fast", "geo", "MiB")
    print_table(columns, rows, title="\nProviders", left=9)
    for one in document["providers"]:
        note(f"{one['name']}: {one.get('source', '')}")


def _target_row(one: dict[str, Any]) -> tuple[str, ...]:
    health = one.get("health")
    said = "" if health is None else f"{health['latency_ms']} ms" if health["ok"] else (health["kind"] or "no")
    priced = [model for model in one["models"] if "unpriced" not in model]
    models = f"{len(priced)}" if len(priced) == len(one["models"]) else f"{len(priced)} of {len(one['models'])} priced"
    return one["name"], one["provider"], str(one["order"]), one["place"] or "list", models, said


def _provider_row(one: dict[str, Any]) -> tuple[str, ...]:
    if "source" not in one:
        return one["name"], *[""] * 8
    cache = " ".join(one["ttls"]) if one["marks"] else "-"
    fast = "-" if not one["fast"] else "some" if one["fast_models"] else "yes"
    betas = "all" if one["betas"] else str(len(one["betas_heard"]))
    yes = [("yes" if one[name] else "-") for name in ("claude", "batches", "counts", "geo")]
    size = str(one["body_bytes_max"] // MIB)
    return one["name"], yes[0], cache, yes[1], yes[2], betas, fast, yes[3], size

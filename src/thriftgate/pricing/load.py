"""Load the shipped price book and model table. Reads package files only; imports neither genai-prices nor pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from thriftgate.core.foreign import parse_foreign, told
from thriftgate.core.models import ModelTable, parse_models
from thriftgate.core.prices import PriceBook
from thriftgate.pricing.book import book_from_file, decode_file
from thriftgate.pricing.overrides import Overrides, apply_overrides, own_models, parse_overrides

BOOK = resources.files("thriftgate.pricing") / "book.json"
MODELS = resources.files("thriftgate.core") / "models.toml"
FOREIGN = resources.files("thriftgate.core") / "foreign.toml"


def load_book(overrides: Overrides | Mapping[str, Any] | None = None) -> PriceBook:
    """The compiled book, with the `[prices]` table of the settings laid over it.

    The id names what the rates came from: library version, digest of the book, digest of the overrides where there are any.
    Raises ConfigError naming the key of a wrong override.
    """
    book = book_from_file(decode_file(BOOK.read_bytes()))
    if not isinstance(overrides, Overrides):
        overrides = parse_overrides(overrides or {})
    return apply_overrides(book, overrides)


def load_models(overrides: Overrides | Mapping[str, Any] | None = None) -> ModelTable:
    """The shipped capability tables, of Claude and of others, and the own models of which the settings say enough."""
    if not isinstance(overrides, Overrides):
        overrides = parse_overrides(overrides or {})
    foreign = parse_foreign(FOREIGN.read_text(encoding="utf-8"))
    return ModelTable((*claude_models().rows, *foreign, *told(own_models(overrides))))


def claude_models() -> ModelTable:
    """The shipped table of Claude models."""
    return parse_models(MODELS.read_text(encoding="utf-8"))

"""Loading reads package files and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.pricing.load import load_book, load_models
from thriftgate.pricing.overrides import parse_overrides


def test_loading_needs_neither_the_library_nor_pydantic() -> None:
    code = (
        "import sys; from thriftgate.pricing.load import load_book, load_models; load_book(); load_models();"
        "print([name for name in ('genai_prices', 'pydantic', 'httpx2', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_may_come_raw_or_parsed() -> None:
    raw = {"web_search_usd": "0.02"}
    assert load_book(raw).web_search_pico == load_book(parse_overrides(raw)).web_search_pico == 2 * 10**10
    assert load_book(raw).id.startswith(f"{load_book().id} + overrides ")


def test_a_wrong_setting_names_its_key() -> None:
    with pytest.raises(ConfigError, match="web_search_usd"):
        load_book({"web_search_usd": "cheap"})


def test_book_and_table_know_the_same_models() -> None:
    book, models = load_book(), load_models()
    assert {row.model for row in book.rows} <= {model.id for model in models.rows}

"""The committed book: what library and overlay say, quick to load, safe from damage."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.core.foreign import is_foreign
from thriftgate.core.prices import FOREVER_DAY, Terms, day_from_iso
from thriftgate.pricing import compile as compiler
from thriftgate.pricing.book import book_from_file, decode_file, encode_file, file_from_book
from thriftgate.pricing.load import BOOK, load_book
from thriftgate.pricing.rows import row_from_text, text_from_row

DATA = BOOK.read_bytes()


def test_the_committed_book_is_what_library_and_overlay_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert compiler.main(["--check"]) == 0
    assert "as committed" in capsys.readouterr().out


def test_compiling_writes_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "book.json"
    monkeypatch.setattr(compiler, "BOOK", book)
    assert compiler.main(["--check"]) == 1
    assert compiler.main([]) == 0
    assert book.read_bytes() == DATA
    assert compiler.main(["--check"]) == 0
    book.write_bytes(DATA.replace(b'"0.44"', b'"0.45"') + b" ")
    assert compiler.main(["--check"]) == 1
    assert "differs from the committed book" in capsys.readouterr().out


def test_usage_and_a_wrong_overlay_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.main(["--chekc"]) == 2
    overlay = tmp_path / "overlay.toml"
    overlay.write_text("[web_search]\n")
    monkeypatch.setattr(compiler, "OVERLAY", overlay)
    assert compiler.main([]) == 1
    assert "price overlay: " in capsys.readouterr().err


def test_the_file_round_trips() -> None:
    file = decode_file(DATA)
    assert encode_file(file) == DATA
    book = book_from_file(file)
    assert book.id == file.id
    assert file.id.startswith("genai-prices 0.")
    assert all(text_from_row(row_from_text(text, "row")) == text for text in file.content.rows)
    book.id = file.id.partition(" + ")[0]
    assert file_from_book(book) == file


def test_every_row_and_geography_has_a_source_and_an_interval() -> None:
    book = load_book()
    assert len(book.rows) > 60
    for row in book.rows:
        assert 0 <= row.from_day < row.until_day <= FOREVER_DAY
        assert row.source == "genai-prices" or ", checked 2026-" in row.source
        assert min(row.rates.input, row.rates.write_5m, row.rates.write_1h, row.rates.read, row.rates.output) > 0
        if is_foreign(row.model):
            assert row.rates.read < row.rates.input <= row.rates.write_5m <= row.rates.write_1h < row.rates.output
            continue
        assert row.rates.read < row.rates.input < row.rates.write_5m < row.rates.write_1h < row.rates.output
        assert all(getattr(row.rates, name) % 10**6 == 0 for name in row.rates.__struct_fields__), "whole pico per token"
    assert all(geo.source for geo in book.geos)


def test_a_damaged_book_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not match its id"):
        book_from_file(decode_file(DATA.replace(b'"input":"8"', b'"input":"7"', 1)))
    with pytest.raises(ConfigError, match="price book: "):
        decode_file(DATA[:-20])
    with pytest.raises(ConfigError, match=r"price book: .*above_tokenz"):
        decode_file(DATA.replace(b'"above_tokens"', b'"above_tokenz"', 1))


def test_the_wrong_sonnet_5_step_is_not_in_the_book() -> None:
    book = load_book()
    before, after = (book.rates(Terms("claude-sonnet-5", day_from_iso(day)), 1) for day in ("2026-08-31", "2026-09-01"))
    assert before == after
    assert after.output == 10 * 10**12


def test_the_order_of_the_file_is_stable() -> None:
    rows = decode_file(DATA).content.rows
    keys = [(row.model, row.mode, row.from_day, row.above_tokens) for row in rows]
    assert keys == sorted(keys)
    assert list(decode_file(DATA).content.aliases) == sorted(decode_file(DATA).content.aliases)
    assert msgspec.json.decode(DATA)["id"] == load_book().id

"""Each line of a CUR becomes a charge, with the tokens it is for."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.audit.importers.reading import Told, head_of, read
from thriftgate.audit.importers.aws_cur import AwsCur
from thriftgate.audit.sources import Source

IMPORTER = AwsCur()
COLUMNS = {
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-11-01T00:00:00Z",
    "line_item_usage_end_date": "2026-11-01T01:00:00Z",
    "line_item_usage_type": "USE1-MP:USE1_InputTokenCount-Units",
    "line_item_usage_amount": "2",
    "line_item_unblended_cost": "11.0",
    "line_item_currency_code": "USD",
    "pricing_unit": "",
    "product": '{"product_name":"Claude Opus 4.6 (Amazon Bedrock Edition)"}',
}


def read_lines(folder: Path, *lines: dict[str, str]) -> Told:
    file = folder / "cur.csv"
    rows = [",".join(COLUMNS)]
    for line in lines:
        cells = [(COLUMNS | line)[name].replace('"', '""') for name in COLUMNS]
        rows.append(",".join(f'"{cell}"' for cell in cells))
    file.write_text("\r\n".join(rows), encoding="utf-8-sig")
    return read(IMPORTER, file)


@pytest.mark.parametrize(
    ("usage_type", "bucket", "mode", "geo", "unit"),
    [
        ("USE1-MP:USE1_InputTokenCount-Units", "input", "standard", "regional", 10**6),
        ("USE1-MP:USE1_InputTokenCount_Global_Batch-Units", "input", "batch", "global", 10**6),
        ("EU-MP:EU_OutputTokenCount-Units", "output", "standard", "regional", 10**6),
        ("USE1-MP:USE1_CacheReadInputTokenCount_Global-Units", "read", "standard", "global", 10**6),
        ("USE1-MP:USE1_CacheWriteInputTokenCount-Units", "write_5m", "standard", "regional", 10**6),
        ("USE1-MP:USE1_CacheWrite1hInputTokenCount-Units", "write_1h", "standard", "regional", 10**6),
        ("APN1-MP:APN1_input_tokens_global_standard-Units", "input", "standard", "global", 10**6),
        ("APN1-MP:APN1_output_tokens_batch-Units", "output", "batch", "regional", 10**6),
        ("APN1-MP:APN1_cache_read_tokens_standard-Units", "read", "standard", "regional", 10**6),
        ("APN1-MP:APN1_cache_write_tokens_standard-Units", "write_5m", "standard", "regional", 10**6),
        ("APN1-MP:APN1_cache_write_tokens_1h_global_standard-Units", "write_1h", "standard", "global", 10**6),
        ("USW2-Claude4.5Sonnet-input-tokens", "input", "standard", "regional", 1000),
        ("USW2-Claude4.5Sonnet-output-tokens-batch", "output", "batch", "regional", 1000),
        ("USW2-Claude4.5Sonnet-output-tokens-cross-region-global", "output", "standard", "global", 1000),
        ("USW2-Claude4.5Sonnet-cache-read-input-token-count", "read", "standard", "regional", 1000),
        ("USW2-Claude4.5Sonnet-cache-write-input-token-count", "write_5m", "standard", "regional", 1000),
        ("USW2-Claude4.5Sonnet-cache-write-input-token-count-1-hour", "write_1h", "standard", "regional", 1000),
        ("USE1-anthropic.claude-opus-4-8-mantle-cache-write-tokens-1h-standard", "write_1h", "standard", "regional", 1000),
        ("USE1-anthropic.claude-opus-4-8-mantle-cache-read-tokens-global-standard", "read", "standard", "global", 1000),
    ],
)
def test_usage_types(tmp_path: Path, *, usage_type: str, bucket: str, mode: str, geo: str, unit: int) -> None:
    (record,) = read_lines(tmp_path, {"line_item_usage_type": usage_type}).records
    assert (record.token_type, record.mode, record.geo, record.platform) == (bucket, mode, geo, "bedrock")
    assert getattr(record, bucket) == record.prompt_tokens + record.output == 2 * unit
    assert record.bill_pico == 11 * 10**12


def test_the_reports_own_unit_goes_first(tmp_path: Path) -> None:
    told = read_lines(tmp_path, {"pricing_unit": "1K tokens"}, {"pricing_unit": "Units"}, {"pricing_unit": "1M tokens"})
    assert [record.input for record in told.records] == [2000, 2_000_000, 2_000_000]


def test_a_line_is_a_span_of_time(tmp_path: Path) -> None:
    (record,) = read_lines(tmp_path, {}).records
    assert (record.at_us, record.span_us, record.calls) == (1_793_491_200_000_000, 3_600_000_000, 0)


@pytest.mark.parametrize(
    ("usage_type", "model"),
    [
        ("USE1-MP:USE1_InputTokenCount-Units", "Claude Opus 4.6 (Amazon Bedrock Edition)"),
        ("USE1-Claude4.5Sonnet-input-tokens", "Claude4.5Sonnet"),
        ("USE1-anthropic.claude-opus-4-8-mantle-input-tokens-standard", "anthropic.claude-opus-4-8"),
    ],
)
def test_where_the_model_is_named(tmp_path: Path, usage_type: str, model: str) -> None:
    (record,) = read_lines(tmp_path, {"line_item_usage_type": usage_type}).records
    assert record.model == model


def test_a_charge_of_nothing_is_a_charge(tmp_path: Path) -> None:
    (record,) = read_lines(tmp_path, {"line_item_unblended_cost": "0"}).records
    assert record.bill_pico == 0


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    nova = '{"product_name":"Other Model (Amazon Bedrock Edition)"}'
    told = read_lines(
        tmp_path,
        {"line_item_usage_type": "USE1-BoxUsage:m7i.large", "product": ""},
        {"line_item_usage_type": "USE1-MP:USE1_Reserved_1Month_InputTPM_Geo-Units"},
        {"line_item_usage_type": "USE1-MP:USE1_cache_write_tokens_30m_standard-Units"},
        {"product": nova},
        {"line_item_line_item_type": "Credit", "line_item_unblended_cost": "-3"},
        {"line_item_currency_code": "CNY"},
        {"line_item_unblended_cost": ""},
        {"line_item_usage_amount": "-1"},
        {"line_item_usage_amount": "1e300"},
        {"line_item_usage_amount": "two"},
        {"line_item_usage_start_date": "soon"},
        {"product": '{"product_name": 7', "line_item_usage_type": "USE1-MP:USE1_InputTokenCount-Units"},
    )
    assert told.records == []
    assert told.issues == {"not_a_call": 2, "other_charge": 2, "other_provider": 1, "other_currency": 1, "malformed": 6}


def test_parquet_tells_the_same_as_csv(tmp_path: Path) -> None:
    file = tmp_path / "cur.parquet"
    with duckdb.connect() as database:
        database.execute(
            f"""copy (select 'Usage' as line_item_line_item_type,
            timestamp '2026-11-01 00:00:00' as line_item_usage_start_date,
            timestamp '2026-11-01 01:00:00' as line_item_usage_end_date, 2.0::double as line_item_usage_amount,
            'USE1-MP:USE1_InputTokenCount-Units' as line_item_usage_type, 11.0::double as line_item_unblended_cost,
            'Claude Opus 4.6 (Amazon Bedrock Edition)' as product_product_name) to '{file}'"""
        )
    assert IMPORTER.sniff(Source(file).head)
    (of_parquet,), (of_csv,) = read(IMPORTER, file).records, read_lines(tmp_path, {}).records
    assert (of_parquet.at_us, of_parquet.span_us, of_parquet.input) == (of_csv.at_us, of_csv.span_us, of_csv.input)
    assert (of_parquet.model, of_parquet.bill_pico) == (of_csv.model, of_csv.bill_pico)


def test_sniff() -> None:
    assert IMPORTER.sniff(head_of(",".join(COLUMNS).encode()))
    assert not IMPORTER.sniff(head_of(b"line_item_usage_type,cost\n"))
    assert not IMPORTER.sniff(head_of({"line_item_usage_type": 1, "line_item_unblended_cost": 2}))
    assert not IMPORTER.sniff(head_of(b"PAR1 of something else"))

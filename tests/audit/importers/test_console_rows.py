"""Rows of the Console's CSV files, found by the names of their columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.audit.importers.console_rows import ConsoleRow, rows
from thriftgate.audit.records import Issue
from thriftgate.audit.sources import Source

NOON = 1_793_620_800_000_000  # 2026-11-02T12:00:00Z
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


def found(path: Path, content: str | bytes) -> list[ConsoleRow | Issue]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [*rows(Source(path))]


def test_cells_by_name(tmp_path: Path) -> None:
    content = '\ufeff model , usage_date_utc\r\n"Claude ""5"", new",2026-11-02 12:00\r\n\r\n'
    (row,) = found(tmp_path / "r", content)
    assert isinstance(row, ConsoleRow)
    assert (row.line, row.at_us, row["model"], row["speed"]) == (2, NOON, 'Claude "5", new', "")


@pytest.mark.parametrize(
    ("times", "span"),
    [
        (("2026-11-02", "2026-11-03"), DAY),
        (("2026-11-02 00:00", "2026-11-03T00:00:00Z"), DAY),
        (("2026-11-02 00:00", "2026-11-02 01:00"), HOUR),
        (("2026-11-02 01:00", "2026-11-02 01:05"), MINUTE),
    ],
)
def test_how_long_a_row_counts(tmp_path: Path, times: tuple[str, ...], span: int) -> None:
    content = "usage_date_utc,model\n" + "".join(f"{time},m\n" for time in times)
    assert [row.span_us for row in found(tmp_path / "r", content) if isinstance(row, ConsoleRow)] == [span] * 2


def test_bad_rows_do_not_stop_the_reading(tmp_path: Path) -> None:
    content = b'usage_date_utc,model\n2026-11-02,a,b\n2026-11-02\n"2026-11-02,a\nsoon,a\n2026-11-02,\xff\n'
    told = found(tmp_path / "r", content)
    assert [one.reason if isinstance(one, Issue) else one["model"] for one in told] == ["malformed"] * 4 + ["\ufffd"]


def test_nothing_but_a_header(tmp_path: Path) -> None:
    assert found(tmp_path / "r", "usage_date_utc,model\n") == []
    assert found(tmp_path / "r", "") == []

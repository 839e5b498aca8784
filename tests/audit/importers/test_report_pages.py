"""Pages of reports: every way people save them, and rows that cannot be read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.audit.importers.reading import lines
from thriftgate.audit.importers.report_pages import Placed, ReportRow, is_report, rows
from thriftgate.audit.records import Issue
from thriftgate.audit.sources import Head, Source

ROW = msgspec.json.Decoder(ReportRow)
DAY: dict[str, object] = {"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z"}
START, SPAN = 1_793_577_600_000_000, 86_400_000_000


def page(*buckets: object) -> dict[str, object]:
    return {"data": list(buckets), "has_more": False, "next_page": None}


def found(path: Path, text: str) -> list[tuple[int, int, int, str | None] | str]:
    path.write_text(text)
    told = rows(Source(path), ROW)
    return [(one.number, one.at_us, one.span_us, one.row.model) if isinstance(one, Placed) else one.reason for one in told]


BUCKET = DAY | {"results": [{"model": "a"}, {"model": "b"}]}
NEXT = {"starting_at": "2026-11-03T00:00:00Z", "ending_at": "2026-11-03T01:00:00Z", "results": [{"model": "c"}]}


@pytest.mark.parametrize(
    "text",
    [
        lines(page(BUCKET, NEXT)),
        lines(page(BUCKET), page(NEXT)),
        lines([page(BUCKET), page(NEXT)]),
        lines([BUCKET, NEXT]),
        lines(BUCKET, NEXT),
        msgspec.json.format(lines(page(BUCKET, NEXT)), indent=2),
    ],
)
def test_pages_lists_and_buckets(tmp_path: Path, text: str) -> None:
    hour = (3, START + SPAN, 3_600_000_000, "c")
    assert found(tmp_path / "page", text) == [(1, START, SPAN, "a"), (2, START, SPAN, "b"), hour]
    assert is_report(Head("x", text.encode()), "model")
    assert not is_report(Head("x", text.encode()), "amount")


def test_a_bad_row_does_not_take_its_page_with_it(tmp_path: Path) -> None:
    text = lines(page(DAY | {"results": [{"model": 7}, {"model": "a"}, []]}, DAY | {"results": 5}, NEXT))
    assert found(tmp_path / "page", text) == [
        "malformed",
        (2, START, SPAN, "a"),
        "malformed",
        "malformed",
        (4, START + SPAN, 3_600_000_000, "c"),
    ]


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ({"results": [{}]}, "no_time"),
        ({"starting_at": "soon", "results": [{}]}, "malformed"),
        (DAY | {"ending_at": "2026-11-01T00:00:00Z", "results": [{}]}, "malformed"),
        (DAY | {"results": [{"rbac_group_id": "g"}]}, "overlapping_rows"),
        (DAY, "not_a_call"),
        ({"error": "x"}, "not_a_call"),
    ],
)
def test_no_rows(tmp_path: Path, bucket: object, expected: str) -> None:
    assert found(tmp_path / "page", lines(page(bucket))) == [expected]


def test_a_bucket_without_its_end_is_a_day(tmp_path: Path) -> None:
    assert found(tmp_path / "page", lines({"starting_at": "2026-11-02", "results": [{}]})) == [(1, START, SPAN, None)]


def test_what_is_no_page(tmp_path: Path) -> None:
    assert found(tmp_path / "page", lines("7", "{", page(BUCKET))[:-20]) == ["malformed"] * 3
    assert found(tmp_path / "page", lines(page(DAY | {"results": []}))) == []


def test_who_a_row_is_for() -> None:
    def user(**fields: object) -> str:
        return ROW.decode(msgspec.json.encode(fields)).user

    assert user(actor={"email_address": "ann@example.com", "user_id": "user_1"}) == "ann@example.com"
    assert user(actor={"email_address": None, "user_id": "user_1"}) == "user_1"
    assert user(account_id="account_1") == "account_1"
    assert user(service_account_id="svc_1") == "svc_1"
    assert user() == ""


def test_issues_name_the_row(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(lines(page(DAY | {"results": [{}, {"model": 7}]})))
    (issue,) = [one for one in rows(Source(path), ROW) if isinstance(one, Issue)]
    assert issue.where == f"{path}:2"

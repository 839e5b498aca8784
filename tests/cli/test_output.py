"""How verbs print."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.cli.output import dollars, dollars_exact, dollars_short, note, percent, print_json, print_table, say


def test_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"paid_usd": "0.000000000001", "name": "Zürich", "list": [1, {"a": None}]}
    print_json(document)
    captured = capsys.readouterr()
    assert msgspec.json.decode(captured.out) == document
    assert captured.out.endswith("}\n")
    assert captured.err == ""


def test_notes_go_to_stderr_and_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    note("[bold]as it is[/bold] " + "long " * 60)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("[bold]as it is[/bold] long")
    assert captured.err.count("\n") == 1


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "n"), [("[red]a[/red]", "1"), ("b", "22")], title="things", footer=("all", "23"))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["things", "name           n", "[red]a[/red]   1", "b             22", "all           23"]


def test_tables_without_a_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("", ""), [("a", "1")], left=2)
    assert capsys.readouterr().out.split() == ["a", "1"]


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("[b] a line")
    assert capsys.readouterr().out == "[b] a line\n"


@pytest.mark.parametrize(
    ("pico", "rounded", "short", "exact"),
    [
        (0, "$0.000000", "$0.0000", "$0"),
        (44_000_000_000, "$0.044000", "$0.0440", "$0.044"),
        (-1, "-$0.000000", "-$0.0000", "-$0.000000000001"),
        (123_456_700_000_000, "$123.46", "$123.46", "$123.4567"),
        (-1_234_000_000_000_000, "-$1,234.00", "-$1,234", "-$1234"),
    ],
)
def test_money(pico: int, rounded: str, short: str, exact: str) -> None:
    assert (dollars(pico), dollars_short(pico), dollars_exact(pico)) == (rounded, short, exact)


def test_shares() -> None:
    assert (percent(1, 3), percent(-1, 2), percent(5, 0)) == ("33.3 %", "-50.0 %", "-")

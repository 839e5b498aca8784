"""What `thriftgate audit --csv` writes: the figures of `--json` as one long table that any spreadsheet or data frame takes.

Columns: `section` (a key of `--json`, or "total"), `name` (the model, day, policy, cause … or its number), `part` (the model
of a day; "" elsewhere), `metric` (the key in `--json`, with a dot where it stands inside another: `tokens.read`), `value`.
Money is exact and stands in metrics that end in `_usd`. Filter on the first columns, pivot on `metric`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from thriftgate.audit.findings import Findings
from thriftgate.audit.report.document import document

COLUMNS = ("section", "name", "part", "metric", "value")
_NAMED_BY = {
    "by_model": "model",
    "by_key": "key",
    "by_project": "project",
    "by_session": "session",
    "unpriced": "model",
    "days": "day",
    "policies": "name",
    "misses": "cause",
    "levers": "id",
    "sources": "format",
}
_PARTED_BY = {"days": "model"}
_BY_NAME = ("skipped", "skipped_examples")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: full width

Row = tuple[str, str, str, str, str]


def csv_table(found: Findings) -> str:
    """The table with its header, lines ended as RFC 4180 asks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(tuple(_harmless(cell) for cell in row) for row in _rows(document(found)))
    return out.getvalue()


def _harmless(cell: str) -> str:
    """A text that a spreadsheet would run as a formula gets an apostrophe (owasp.org, CSV Injection, 2026). Numbers stay."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def _rows(told: dict[str, Any]) -> Iterator[Row]:
    for section, value in told.items():
        if section in _BY_NAME:
            yield from ((section, name, "", metric, text) for name, one in value.items() for metric, text in _flat("", one))
        elif isinstance(value, list):
            for number, one in enumerate(value, 1):
                rest = dict(one) if isinstance(one, dict) else one
                name = str(rest.pop(_NAMED_BY[section])) if section in _NAMED_BY else str(number)
                part = str(rest.pop(_PARTED_BY[section])) if section in _PARTED_BY else ""
                yield from ((section, name, part, metric, text) for metric, text in _flat("", rest))
        else:
            yield from (("total", "", "", metric, text) for metric, text in _flat(section, value))


def _flat(metric: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value and all that stands inside it, one by one; what is not known has no row."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{metric}.{key}" if metric else key, inner)
    elif isinstance(value, list):
        yield metric or "text", "; ".join(map(str, value))
    elif isinstance(value, bool):
        yield metric or "value", str(value).lower()
    elif isinstance(value, str):
        yield metric or "text", value
    elif value is not None:
        yield metric or "count", str(value)

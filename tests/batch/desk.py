"""A folder with a table and a template in it, for the tests of both."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from thriftgate.batch.job_line import check_params, read_job_line
from thriftgate.batch.jobs_file import lines_of
from thriftgate.batch.tables import TableSource, write_jobs
from thriftgate.core.errors import InputError

MODEL = "claude-haiku-4-5"
TEXT = "Sort this ticket: {{ text }}\n"


class Desk:
    """A folder with a table and a template in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def parquet(self, select: str, name: str = "rows.parquet") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with duckdb.connect() as database:
            database.execute("set TimeZone = 'Asia/Tokyo'")
            database.execute(f"copy ({select}) to '{str(path).replace(chr(39), chr(39) * 2)}' (format parquet)")
        return path

    def source(
        self,
        table: str | Path,
        template: str = TEXT,
        columns: Mapping[str, str] | None = None,
        *,
        name: str = "rows.csv",
        template_name: str = "ask.j2",
        model: str = MODEL,
        max_tokens: int | None = 64,
        system: str | None = None,
    ) -> TableSource:
        return TableSource(
            path=table if isinstance(table, Path) else self.file(name, table),
            template=self.file(template_name, template),
            columns=columns or {},
            model=model,
            max_tokens=max_tokens,
            system=None if system is None else self.file("system.txt", system),
        )

    def jobs(self, *given: Any, **named: Any) -> list[tuple[str, Any]]:
        """Names and params, read from the file that was written as a run reads it."""
        path = self.folder / "jobs.jsonl"
        with path.open("wb") as out:
            number = write_jobs(self.source(*given, **named), out)
        jobs = [read_job_line(one.line) for one in lines_of(path)]
        assert len(jobs) == number
        assert not any(check_params(job.params) for job in jobs)
        return [(job.name, msgspec.json.decode(job.params)) for job in jobs]

    def texts(self, *given: Any, **named: Any) -> list[str]:
        return [params["messages"][0]["content"] for _, params in self.jobs(*given, **named)]

    def refused(self, *given: Any, **named: Any) -> str:
        out = io.BytesIO()
        with pytest.raises(InputError) as raised:
            write_jobs(self.source(*given, **named), out)
        assert out.getvalue().count(b"\n") == len(out.getvalue().splitlines())  # whole lines only
        message = str(raised.value)
        assert "\n" not in message
        return message

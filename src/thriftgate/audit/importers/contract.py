"""What an importer is: one file per log format, one line in `IMPORTERS`, one golden folder in the tests.

class Example:
    id = "example"
    title = "Example logs (JSONL)"
    depth: Depth = "call"
    input_includes_cache = False
    cannot_know = ("whether cache writes live five minutes or an hour",)

    def sniff(self, head: Head) -> bool: ...
    def read(self, source: Source) -> Iterator[Record | Issue]: ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from thriftgate.audit.records import Depth, Issue, Record
from thriftgate.audit.sources import Head, Source


class Importer(Protocol):
    """One log format. Stateless: `read` may run in several processes at once.

    `input_includes_cache`: whether the input count of the source includes cached tokens; None where that differs from file
    to file and is told from the numbers. `cannot_know` are sentences for the report, each saying what the format never
    tells. `depth` is the deepest the format can tell; single records may tell less.
    """

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def depth(self) -> Depth: ...

    @property
    def input_includes_cache(self) -> bool | None: ...

    @property
    def cannot_know(self) -> tuple[str, ...]: ...

    def sniff(self, head: Head) -> bool:
        """Whether the file is of this format, by its name and first bytes. Never raises; exactly one importer says yes to
        any file, and none to a file of no known format."""

    def read(self, source: Source) -> Iterator[Record | Issue]:
        """What the file tells, in its order. Raises nothing for any content: what cannot be read becomes an Issue, and
        reading goes on behind it. OSError where the file itself cannot be read."""

"""Which files an audit reads: paths, folders, patterns, standard input; and which importer reads each."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.sources import STDIN, Head, printable
from thriftgate.core.errors import InputError

_MAGIC = frozenset("*?[")
_OWN = re.compile(r"([0-9a-f]{32})\.(json|parquet)")
_OWN_START = b'{"parquet":'
_COMPANION = re.compile(
    r"(agent-.*|.*)\.meta\.json|sessions-index\.json|stats-cache\.json|history\.jsonl|settings(\.local)?\.json|CLAUDE\.md"
    r"|(LICEN[CS]E|README|NOTICE|CHANGELOG)(\..*)?|\..*|Thumbs\.db|desktop\.ini",
    re.IGNORECASE,
)


def files(paths: Iterable[str]) -> list[Path | None]:
    """The files that these paths name, each once, in order of time of change, then name; None is standard input. Folders are
    searched with all that is in them but hidden folders, shards of our own, and what is no file but a device or a pipe; one
    that cannot be listed stands among the files. Raises InputError for a path that names nothing."""
    found: dict[tuple[int, int], tuple[int, Path]] = {}
    piped = False
    for text in paths:
        if text == STDIN:
            piped = True
            continue
        walk = _Walk()
        for match in _matches(text):
            for file, state in walk.inside(match):
                found.setdefault((state.st_dev, state.st_ino), (state.st_mtime_ns, file))
        if not walk.seen:
            shown = printable(text)
            if walk.odd:
                raise InputError(
                    f"{shown} is neither a file nor a folder; of a pipe, give - and the content on standard input"
                )
            raise InputError(f"{shown}: no such file or folder; name log files, folders of them, a pattern, or - for stdin")
    ordered: list[Path | None] = [file for _, file in sorted(found.values())]
    return [*ordered, None] if piped else ordered


def _matches(text: str) -> list[Path]:
    """What a path names: a name comes before a pattern."""
    path = Path(text).expanduser()
    if _state(path) is not None or not _MAGIC & set(text):
        return [path]
    return [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  a Path takes no absolute one


def _state(path: Path) -> os.stat_result | None:
    """None for what is not there, or cannot be looked at: a link to nothing or to itself, too long a name."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


class _Walk:
    """Through the folders that one path names. `seen`: it named a file or a folder; `odd`: something else."""

    def __init__(self) -> None:
        self.seen = False
        self.odd = False
        self._folders: set[tuple[int, int]] = set()

    def inside(self, named: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """The file, or all files in the folder."""
        waiting = [named]
        while waiting:
            path = waiting.pop()
            state = _state(path)
            if state is None:
                continue
            self.seen |= stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)
            self.odd |= not self.seen
            if stat.S_ISREG(state.st_mode):
                if path == named or not _is_own(path):
                    yield path, state
            elif stat.S_ISDIR(state.st_mode) and (path == named or _is_searched(path)):
                identity = state.st_dev, state.st_ino
                if identity in self._folders:
                    continue
                self._folders.add(identity)
                try:
                    waiting += sorted(path.iterdir(), reverse=True)
                except OSError:
                    yield path, state


def _is_searched(folder: Path) -> bool:
    """Whether a folder inside of the named one is looked into: not a hidden one, and no link that leads back up."""
    if folder.name.startswith("."):
        return False
    return not (folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve()))


def _is_own(path: Path) -> bool:
    """Whether it is a part of what an audit keeps of the logs it has imported."""
    name = _OWN.fullmatch(path.name)
    if name is None:
        return False
    try:
        with path.with_name(f"{name[1]}.json").open("rb") as stream:
            return stream.read(len(_OWN_START)) == _OWN_START
    except OSError:
        return False


def is_companion(name: str) -> bool:
    """Whether a file that is no log is one that clients and people keep beside logs, by its name."""
    return _COMPANION.fullmatch(name) is not None


def importer_for(head: Head, importers: Sequence[Importer] = IMPORTERS) -> Importer | None:
    """The importer that knows the format, the first in the order they are listed; None where none does."""
    return next((importer for importer in importers if importer.sniff(head)), None)


def importer_named(name: str, importers: Sequence[Importer] = IMPORTERS) -> Importer:
    """Raises InputError, with the names there are, for any other."""
    for importer in importers:
        if importer.id == name:
            return importer
    raise InputError(f"--format {name}: no such format; there are {', '.join(importer.id for importer in importers)}")

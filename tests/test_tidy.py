"""The code itself: nothing banned, nothing dead, nothing without its test, nothing out of proportion.

The rules are in `tidy_rules.py`. `PLANTED` holds a violation for every rule, so that a rule which finds nothing is known to
look.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import pytest

from tests.tidy_rules import (
    DATA_BYTES_MAX,
    ENTRY_POINTS,
    FILE_LINES_MAX,
    FILE_RULES,
    FUNCTION_LINES_MAX,
    LINE_LENGTH_MAX,
    PACKAGE,
    ROOT,
    TESTED_ELSEWHERE,
    USED_ELSEWHERE,
    FileRule,
    banned_calls,
    bare_ignores,
    blanket_excepts,
    dead_files,
    dead_names,
    files,
    long_files,
    machine_paths,
    package,
    public_names,
    source,
    sources,
    texts,
    unfinished,
    untested_files,
    vague_names,
)
from thriftgate import __version__


def none_of(complaints: Iterable[str]) -> None:
    """Fail with the complaints, one a line."""
    found = list(complaints)
    if found:
        pytest.fail("\n".join([f"{len(found)} to mend:", *found]), pytrace=False)


@pytest.mark.parametrize("rule", FILE_RULES, ids=lambda rule: rule.__name__)
def test_python_files(rule: FileRule) -> None:
    none_of(complaint for one in sources() for complaint in rule(one))


def test_no_dead_files() -> None:
    none_of(dead_files(package()))


def test_no_dead_names() -> None:
    none_of(dead_names(package()))


def test_every_source_file_has_its_test_file() -> None:
    none_of(untested_files(package(), texts()))


def test_exclusions_are_needed() -> None:
    there = {one.inner for one in package()}
    assert TESTED_ELSEWHERE.keys() <= there
    assert {f"{name.removeprefix('thriftgate.').replace('.', '/')}.py" for name in ENTRY_POINTS} <= there
    names = {name for one in package() for name, _ in public_names(one.tree)}
    assert USED_ELSEWHERE.keys() <= names


def test_no_machine_paths_and_no_registries() -> None:
    none_of(complaint for path, text in texts().items() for complaint in machine_paths(path, text))


def test_no_large_data_files() -> None:
    """A lock is as long as it has to be."""
    sizes = {file.relative_to(ROOT).as_posix(): file.stat().st_size for file in files() if file.suffix != ".lock"}
    assert not {path: size for path, size in sizes.items() if size > DATA_BYTES_MAX}


def test_the_licence_is_apache_2_unchanged() -> None:
    digest = sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert 'license = "Apache-2.0"' in texts()["pyproject.toml"]


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in texts()["CHANGELOG.md"]


def test_the_lock_names_no_place() -> None:
    lock = texts()["requirements.lock"]
    assert "://" not in lock
    assert "--hash=sha256:" in lock


# --- the rules look ----------------------------------------------------------------------------------------------------

CLEAN = """
import time as clock

from thriftgate.clock import Clock


def plan(clock: Clock, json: dict[str, int]) -> float:
    try:
        return json["now"]
    except KeyError:
        return clock.now_s()
"""

PLANTED: tuple[tuple[FileRule, str, str], ...] = (
    (banned_calls, "core/a.py", "import time\n\nNOW = time.time()"),
    (banned_calls, "core/a.py", "import datetime as dt\n\nNOW = dt.datetime.now(dt.UTC)"),
    (banned_calls, "core/a.py", "from datetime import date\n\nTODAY = date.today()"),
    (banned_calls, "core/a.py", "from time import time"),
    (banned_calls, "core/a.py", "import random"),
    (banned_calls, "core/a.py", "from json import loads"),
    (banned_calls, "core/a.py", "print(1)"),
    (banned_calls, "core/a.py", "print(1)  # noqa: T201"),
    (banned_calls, "engine/a.py", "import asyncio\n\nasyncio.create_task(work())"),
    (banned_calls, "engine/a.py", "import os\n\nHOME = os.environ['HOME']"),
    (blanket_excepts, "core/a.py", "try:\n    work()\nexcept Exception:\n    pass"),
    (blanket_excepts, "core/a.py", "try:\n    work()\nexcept (OSError, BaseException) as error:\n    note(error)"),
    (blanket_excepts, "core/a.py", "try:\n    work()\nexcept:\n    pass"),
    (blanket_excepts, "core/a.py", "try:\n    work()\nexcept Exception:  # noqa: BLE001\n    pass"),
    (bare_ignores, "core/a.py", "work(1)  # type: " + "ignore"),
    (bare_ignores, "core/a.py", "work(1)  # " + "noqa"),
    (unfinished, "core/a.py", "work()  # TO" + "DO later"),
    (unfinished, "core/a.py", '"""FIX' + 'ME."""'),
    (unfinished, "core/a.py", "def work():\n    raise NotImplemented" + "Error"),
    (vague_names, "core/utils.py", ""),
    (vague_names, "helpers/a.py", ""),
    (vague_names, "core/cache_common.py", ""),
    (vague_names, "core/a.py", "class CacheManager: ..."),
    (long_files, "core/a.py", "pass\n" * (FILE_LINES_MAX + 1)),
    (long_files, "core/a.py", "A = '" + "a" * LINE_LENGTH_MAX + "'"),
    (long_files, "core/a.py", "def work():\n" + "    pass\n" * FUNCTION_LINES_MAX),
)


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_violation_is_found(rule: FileRule, path: str, text: str) -> None:
    assert len(list(rule(source(PACKAGE + path, text)))) == 1


def test_clean_code_is_left_alone() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(FILE_RULES)
    for rule in FILE_RULES:
        assert not list(rule(source(PACKAGE + "core/a.py", CLEAN)))


def test_a_reason_excuses() -> None:
    text = "import time\n\nNOW = time.time()  # noqa: TID251  the one place where real time enters"
    assert not list(banned_calls(source(PACKAGE + "clock.py", text)))


def test_dead_files_are_found() -> None:
    modules = [
        source(PACKAGE + "cli/__init__.py", "from thriftgate import used"),
        source(PACKAGE + "used.py", "def work():\n    from thriftgate.deep import thing"),
        source(PACKAGE + "deep.py", ""),
        source(PACKAGE + "own.py", 'if __name__ == "__main__":\n    work()'),
        source(PACKAGE + "dead.py", "from thriftgate import used"),
    ]
    assert list(dead_files(modules)) == ["src/thriftgate/dead.py: nothing leads to thriftgate.dead"]


def test_dead_names_are_found() -> None:
    modules = [
        source(PACKAGE + "a.py", "class Kept:\n    def used(self): ...\n    def lost(self): ...\n    def _own(self): ..."),
        source(PACKAGE + "b.py", "from thriftgate.a import Kept, alone\n\nKept().used()"),
        source(PACKAGE + "c.py", "def alone(n):\n    return alone(n - 1)\n\ndef _private(): ..."),
    ]
    assert [complaint.rpartition(" ")[2] for complaint in dead_names(modules)] == ["lost", "alone"]


def test_untested_files_are_found() -> None:
    work = "def work():\n    return 1"
    names = ("a.py", "core/b.py", "core/c.py", "core/deep/d.py", "core/deep/e.py", "rooms/__init__.py")
    modules = [source(PACKAGE + name, work) for name in names]
    modules.append(
        source(PACKAGE + "core/words.py", 'class Word:\n    def say(self):\n        """Aloud."""\n    def hear(self): ...')
    )
    there = ["tests/test_a.py", "tests/core/test_b.py", "tests/test_c.py", "tests/core/test_deep_d.py"]
    assert list(untested_files(modules, there)) == [
        "src/thriftgate/core/c.py: no tests/core/test_c.py",
        "src/thriftgate/core/deep/e.py: no tests/core/deep/test_e.py nor tests/core/test_deep_e.py",
        "src/thriftgate/rooms/__init__.py: no tests/test_rooms.py",
    ]


@pytest.mark.parametrize(
    "text", ["see /wo" + "rk/main", "/ro" + "ot/.cache", "/home/je" + "nny/x", "https://py" + "pi.org/simple"]
)
def test_machine_paths_and_registries_are_found(text: str) -> None:
    assert list(machine_paths("README.md", f"fine\n{text}"))


def test_harmless_paths_are_left_alone() -> None:
    assert not list(
        machine_paths("README.md", "src/work.py, /home/user/notes, frameworks/rooted, https://docs.example.org/")
    )

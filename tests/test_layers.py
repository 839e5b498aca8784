"""The import contracts of `.importlinter` hold, and each of them notices when it is broken."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / ".importlinter"

# Contract -> an import that breaks it and no other contract, as (file, line to add).
BREACHES = {
    "rooms": ("providers/anthropic.py", "import thriftgate.ledger.entries"),
    "oracle": ("simulator/draws.py", "import thriftgate.core.money"),
    "real-upstream": ("settings/load.py", "import thriftgate.simulator"),
    "pure": ("core/money.py", "import time"),
    "pure-batch": ("batch/waves.py", "import time"),
    "data-plane": ("gateway/asgi.py", "import starlette.responses"),
    "one-http-client": ("engine/retry.py", "import aiohttp"),
    "levers": ("core/levers/count_guard.py", "import thriftgate.core.levers.cache_breakpoints"),
    "acyclic": ("core/money.py", "import thriftgate.core.cost"),
}


def contracts() -> dict[str, str]:
    """Contract id -> name, as the configuration lists them."""
    parser = configparser.ConfigParser()
    parser.read(CONFIG, encoding="utf-8")
    prefix = "importlinter:contract:"
    return {section.removeprefix(prefix): parser[section]["name"] for section in parser.sections() if prefix in section}


def lint(source: Path) -> tuple[set[str], str]:
    """Ids of the contracts that are broken in the package under `source`, and all that was printed."""
    program = f"from importlinter.cli import lint_imports_command as run; run(['--no-cache', '--config', {str(CONFIG)!r}])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    names = contracts()
    assert verdicts.keys() == set(names.values()), done.stdout + done.stderr
    return {contract for contract, name in names.items() if verdicts[name] == "BROKEN"}, done.stdout


def test_every_contract_is_kept() -> None:
    broken, printed = lint(ROOT / "src")
    assert not broken, printed


def test_every_contract_has_a_breach_here() -> None:
    assert BREACHES.keys() == contracts().keys()


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_noticed(contract: str, tmp_path: Path) -> None:
    name, line = BREACHES[contract]
    shutil.copytree(ROOT / "src" / "thriftgate", tmp_path / "thriftgate", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "thriftgate" / name
    file.write_text(file.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    broken, printed = lint(tmp_path)
    assert broken == {contract}, printed


def test_a_room_without_a_layer_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "thriftgate", tmp_path / "thriftgate", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "thriftgate" / "attic").mkdir()
    (tmp_path / "thriftgate" / "attic" / "__init__.py").write_text("", encoding="utf-8")
    broken, printed = lint(tmp_path)
    assert broken == {"rooms"}, printed

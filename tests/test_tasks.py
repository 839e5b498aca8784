"""`tasks.py` starts on any Python, says what it needs, and knows when its environment is out of date."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tasks

ROOT = Path(__file__).parents[1]


class Calls:
    """Stands in for `tasks.call`: takes commands down and answers with an exit code."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str]) -> int:
        self.commands.append(command)
        return self.code


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tasks.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_old_python_gets_as_far_as_the_message() -> None:
    """It must parse there, and the check must come before anything an old Python lacks."""
    tree = ast.parse((ROOT / "tasks.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    check = next(at for at, node in enumerate(tree.body) if isinstance(node, ast.If))
    assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) for node in tree.body[:check])


def test_without_a_task_it_explains_itself() -> None:
    done = run()
    assert done.returncode == 0
    assert "python3 tasks.py test" in done.stdout


@pytest.mark.parametrize("arguments", [("tset",), ("bench",), ("--here", "nothing")])
def test_an_unknown_task_is_bad_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2


def test_every_task_is_explained() -> None:
    assert tasks.__doc__ is not None
    for name in {*tasks.STEPS, *tasks.GROUPS} - {"format", "types", "imports"}:
        assert f"tasks.py {name}" in tasks.__doc__


def test_arguments_go_to_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    monkeypatch.setattr(tasks, "call", calls)
    assert tasks.main(["--here", "test", "tests/core", "-x"]) == 0
    assert tasks.main(["--here", "check"]) == 0
    assert tasks.main(["--here", "bench", "tokens", "--json"]) == 0
    ran = calls.commands
    assert ran[0] == [sys.executable, *tasks.PYTEST, "tests/core", "-x"]
    assert [command[2] for command in ran[1:6]] == ["ruff", "ruff", "mypy", ran[4][2], "pytest"]
    assert ran[-1] == [sys.executable, "-m", "benchmarks.tokens", "--json"]


def test_a_failing_step_ends_its_task_but_not_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(3)
    monkeypatch.setattr(tasks, "call", calls)
    assert tasks.main(["--here", "install"]) == 3
    assert len(calls.commands) == 1
    assert tasks.main(["--here", "check"]) == 3
    assert len(calls.commands) == 1 + len(tasks.GROUPS["check"])


def test_the_environment_is_made_once_and_again_when_the_lock_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("one", encoding="utf-8")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(tasks, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(tasks, "STAMP", tmp_path / ".venv" / "stamp")
    made: list[Path] = []
    calls = Calls()

    def create(folder: Path, **_options: bool) -> None:
        made.append(folder)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()

    monkeypatch.setattr("venv.create", create)
    monkeypatch.setattr(tasks, "call", calls)
    tasks.ensure_venv()
    assert (len(made), len(calls.commands)) == (1, 2)
    tasks.ensure_venv()
    assert (len(made), len(calls.commands)) == (1, 2)
    (tmp_path / "requirements.lock").write_text("two", encoding="utf-8")
    tasks.ensure_venv()
    assert (len(made), len(calls.commands)) == (1, 4)

"""`tasks.py` starts on any Python, says what it needs, and knows when its environment is out of date."""

from __future__ import annotations

import ast
import os
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
    for name in {*tasks.STEPS, *tasks.GROUPS, *tasks.OTHERS} - {"format", "types", "imports"}:
        assert f"tasks.py {name}" in tasks.__doc__


def test_arguments_go_to_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    monkeypatch.setattr(tasks, "call", calls)
    assert tasks.main(["--here", "test", "tests/core", "-x"]) == 0
    assert tasks.main(["--here", "check"]) == 0
    assert tasks.main(["--here", "bench", "tokens", "--json"]) == 0
    ran = calls.commands
    assert ran[0] == [sys.executable, *tasks.STEPS["test"][0], "tests/core", "-x"]
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


class Machine:
    """Stands in for what makes environments: takes commands down, answers well, or as pip does when it cannot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.commands: list[list[str]] = []
        self.fails = ""
        self.calls = Calls()
        locks = folder / "locks"
        locks.mkdir()
        for name in ("python.lock", "aider.lock", "ray.lock", "package.json", "package-lock.json"):
            (locks / name).write_text(name, encoding="utf-8")
        monkeypatch.setattr(tasks, "RECIPES", folder / "recipes")
        monkeypatch.setattr(tasks, "RECIPE_LOCKS", locks)
        monkeypatch.setattr(tasks, "call", self.calls)
        monkeypatch.setattr("venv.create", lambda folder, **_: folder.mkdir(parents=True))
        monkeypatch.setattr("subprocess.run", self.run)
        monkeypatch.setenv("THRIFTGATE_RECIPES", "")  # so that what the task sets is taken back

    def run(self, command: tuple[str, ...], **options: object) -> None:
        assert options["check"]
        assert options["timeout"]
        self.commands.append([*command])
        if self.fails and self.fails in " ".join(command):
            raise subprocess.CalledProcessError(1, command, "", "Looking\nERROR: no such version\nnotice: a new pip")


def test_clients_are_installed_once_and_again_when_their_lock_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    assert tasks.main(["--here", "recipes", "-k", "llm"]) == 0
    assert machine.calls.commands == [[sys.executable, *tasks.PYTEST, "tests/recipes", "-k", "llm"]]
    assert os.environ["THRIFTGATE_RECIPES"] == str(tmp_path / "recipes")
    assert len(machine.commands) == 4, "pip twice, npm, what npm was not let run by itself"
    assert all("--require-hashes" in command for command in machine.commands if "pip" in command)
    tasks.main(["--here", "recipes"])
    assert len(machine.commands) == 4
    (tmp_path / "locks" / "aider.lock").write_text("another", encoding="utf-8")
    tasks.main(["--here", "recipes"])
    assert len(machine.commands) == 5


def test_engines_have_an_environment_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path)
    assert tasks.main(["--here", "engines", "-x"]) == 0
    assert machine.calls.commands == [[sys.executable, *tasks.PYTEST, tasks.ENGINE_TESTS, "-x"]]
    assert (tasks.ROOT / tasks.ENGINE_TESTS).is_file()
    assert ["ray.lock" in " ".join(command) for command in machine.commands] == [True]


def test_a_client_that_cannot_be_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(monkeypatch, tmp_path)
    machine.fails = "aider.lock"
    assert tasks.main(["--here", "recipes"]) == 0, "its test is skipped, the others are run"
    reason = tmp_path / "recipes" / "aider.refused"
    assert reason.read_text(encoding="utf-8") == "ERROR: no such version"
    assert "WARNING: the clients in aider are skipped: ERROR: no such version" in capsys.readouterr().err
    machine.fails = ""
    tasks.main(["--here", "recipes"])
    assert not reason.exists()


def test_both_kinds_of_locks_are_made_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    monkeypatch.setattr(tasks, "call", calls)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "uv")
    assert tasks.main(["--here", "lock"]) == tasks.main(["--here", "lock", "recipes"]) == 0
    main, image, build, python, aider, ray, node = (" ".join(command) for command in calls.commands)
    locks = (main, image, build, python, aider, ray)
    assert all("--generate-hashes" in command for command in locks)
    names = ("requirements.lock", "container/run.lock", "container/build.lock", "python.lock", "aider.lock", "ray.lock")
    assert all(command.endswith(name) for command, name in zip(locks, names, strict=True))
    assert all("-c requirements.lock" in command for command in (image, build)), "of the same versions"
    assert "--extra=postgres" in image
    assert "--group" not in image, "nothing of development"
    assert ("--extra=ray" in main, "--extra=sdk" in main, "--extra=ray" in ray) == (False, True, True)
    assert "--omit-lockfile-registry-resolved" in node


def test_tools_for_deployment_files_are_installed_once_and_again_when_their_lock_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls, lock = Calls(), tmp_path / "tools.lock"
    lock.write_text("one", encoding="utf-8")
    monkeypatch.setattr(tasks, "call", calls)
    monkeypatch.setattr(tasks, "DEPLOY_TOOLS", tmp_path / "tools")
    monkeypatch.setattr(tasks, "DEPLOY_TOOLS_LOCK", lock)
    monkeypatch.setenv("THRIFTGATE_DEPLOY_TOOLS", "")  # so that what the task sets is taken back
    (tmp_path / "tools").mkdir()
    assert tasks.main(["--here", "deploy", "-k", "helm"]) == 0
    install, unpack, test = calls.commands
    assert "--require-hashes" in install
    assert unpack[1:3] == ["-m", "tests.deploy.tools"]
    assert test == [sys.executable, *tasks.PYTEST, "tests/deploy", "-k", "helm"]
    assert os.environ["THRIFTGATE_DEPLOY_TOOLS"] == str(tmp_path / "tools")
    tasks.main(["--here", "deploy"])
    assert len(calls.commands) == 4
    lock.write_text("two", encoding="utf-8")
    (tmp_path / "tools").mkdir(exist_ok=True)
    calls.code = 1
    assert tasks.main(["--here", "deploy"]) == 1, "without the tools nothing is claimed"
    assert len(calls.commands) == 5

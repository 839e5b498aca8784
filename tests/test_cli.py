"""The verbs as a whole: which there are, how they end, how quickly they start."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from thriftgate import __version__
from thriftgate.cli import VERBS, main

# Verbs of verbs.
GROUPS = ("alerts", "batch", "budget", "cache", "eval", "keys", "ledger", "limits", "reuse", "route", "teams")
HEAVY = ("pydantic", "aiohttp", "genai_prices", "anthropic", "uvicorn", "starlette")


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("verb", ["", *(verb for verb, _ in VERBS)])
def test_help_imports_nothing_heavy(verb: str) -> None:
    program = (
        "import sys\n"
        "from thriftgate.cli import main\n"
        "try:\n"
        f"    main({[verb, '--help'] if verb else ['--help']!r})\n"
        "except SystemExit as ended:\n"
        f"    sys.exit(ended.code or sum(name in sys.modules for name in {HEAVY!r}))\n"
    )
    done = process("-W", "error", "-c", program)
    assert done.returncode == 0, done.stderr
    assert "Usage: thriftgate" in done.stdout
    assert verb or all(name in done.stdout for name, _ in VERBS)


@pytest.mark.parametrize("verb", [verb for verb, _ in VERBS])
def test_every_verb_has_its_file_and_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(getattr(import_module(f"thriftgate.cli.{verb}"), verb))
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"thriftgate {verb}" in out
    assert ("--json" in out) == (verb not in ("serve", "simulate", "dashboard", *GROUPS))


@pytest.mark.parametrize(
    "verb",
    [
        "cache doctor",
        "cache report",
        *(f"keys {one}" for one in ("create", "rotate", "provider add")),
        *(f"teams {one}" for one in ("list", "add", "user add")),
        *(f"batch {one}" for one in ("run", "resume", "status", "list", "results", "cancel")),
    ],
)
def test_every_verb_of_a_group_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"thriftgate {verb}" in out
    assert "--json" in out


def test_the_module_runs_as_the_command_does() -> None:
    done = process("-m", "thriftgate", "--version")
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


@pytest.mark.parametrize("verb", [verb for verb, _ in VERBS])
def test_a_wrong_flag_is_bad_usage(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--no-such-flag"])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert ("no-such-flag" in captured.err) == (
        verb not in ("price", "calc", "calibrate")
    )  # which miss what they need first


def test_an_unknown_verb_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reprot"])
    assert ended.value.code == 2
    assert "report" in capsys.readouterr().err


def test_a_wrong_setting_is_bad_usage_with_a_suggestion(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THRIFTGATE_SERVER__PROT", "1")
    with pytest.raises(SystemExit) as ended:
        main(["report"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "thriftgate: server.prot: unknown setting; did you mean 'port'?\n"


def test_a_reader_that_goes_is_no_traceback() -> None:
    program = "from thriftgate.cli.output import say\n[say('x' * 99) for _ in range(9999)]"
    program = f"import thriftgate.cli as cli\ncli.app = lambda *_, **__: exec({program!r}, {{}})\ncli.main(['report'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1

"""The documentation says what is so: all of it is there, all of it parses, nothing is out of date."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from docs import generate
from docs.markdown import anchor
from docs.meanings import KEYS

from tests.cli.batches import Provider, batch, provider, server, write_jobs
from tests.cli.conftest import Books, Done, Run, books, run
from tests.demo.done import demo_done
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.report.document import document as audit_document
from thriftgate.batch.machine import BATCHES, JOBS
from thriftgate.batch.webhooks import secret_of, signature
from thriftgate.cli import VERBS, app
from thriftgate.cli.demo import demo_document
from thriftgate.core.levers import LEVERS
from thriftgate.demo.workloads import WORKLOADS
from thriftgate.engine.reusing.file import opened
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import Settings

__all__ = ["books", "provider", "run", "server"]  # fixtures

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name not in ("reference", "adr")]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = ("price", "count", "report", "explain", "doctor")


def of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `thriftgate …` command of the hand-written pages: (page, arguments)."""
    for page in WRITTEN:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in fences(text, "sh") for line in block.replace("\\\n", " ").splitlines()]
        inline = re.findall(r"`(thriftgate [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        shown = [line.strip() for block in fences(text, "text") for line in block.splitlines() if " explain tg_" in line]
        for line in (*lines, *(one.replace("\n", " ") for one in inline), *shown):
            words = shlex.split(line.partition("  #")[0].partition(" # ")[0]) if "thriftgate" in line else []
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words[:1] == ["thriftgate"] and words[1:]:
                yield of(page), words[1:]


COMMANDS = sorted({(page, tuple(arguments)) for page, arguments in commands()})


def test_the_reference_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = generate.main(["--check"])
    assert (code, capsys.readouterr().out) == (0, ""), "run python -m docs.generate"


def test_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "cli.md").write_text("old", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert "docs/reference/cli.md: out of date" in capsys.readouterr().out
    assert (tmp_path / "reference" / "cli.md").read_text(encoding="utf-8") == "old"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert generate.main(["--what"]) == 2


@pytest.mark.parametrize("verb", [verb for verb, _ in VERBS])
def test_every_verb_is_documented(verb: str) -> None:
    assert f"\n## {verb}\n" in (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert any(arguments[0] == verb for _, arguments in COMMANDS), "no page but the reference shows it"


@pytest.mark.parametrize("lever", [lever.id for lever in LEVERS])
def test_every_lever_is_documented(lever: str) -> None:
    assert f"\n## {lever}\n" in (ROOT / "docs/reference/levers.md").read_text(encoding="utf-8")
    for page in ("README.md", "docs/concepts/levers.md"):
        assert f"`{lever}`" in (ROOT / page).read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        section = text.partition(f"\n## [{name}]\n")[2].partition("\n## ")[0]
        assert section
        for key, inner in getattr(field.annotation, "model_fields", {}).items():
            nested = hasattr(inner.annotation, "model_fields")
            assert (f"\n### [{name}.{key}]\n" if nested else f"| `{key}` |") in section


@pytest.mark.parametrize(
    ("page", "arguments"), COMMANDS, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_every_command_parses(page: str, arguments: tuple[str, ...]) -> None:
    if arguments == ("--help",):
        return
    command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    assert " ".join(arguments).startswith(command.__name__.replace("_", " ")), page
    bound.apply_defaults()


def test_the_quick_commands_run(run: Run, books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "0")
    (tmp_path / "request.json").write_text('{"model": "claude-opus-5-5", "messages": []}', encoding="utf-8")
    (tmp_path / "thriftgate.toml").write_text("", encoding="utf-8")
    ran = set()
    for page, arguments in COMMANDS:
        if (
            arguments[0] not in QUICK
            or {"--live", "--gateway"} & {*arguments}
            or any(word.startswith("tg_") for word in arguments)
        ):
            continue
        words = [books.ids[0] if word == "ID" else word for word in arguments]
        words = [books.path if word.endswith(".db") else word for word in words]
        if words[0] in ("report", "explain") and "--ledger" not in words:
            words += ["--ledger", books.path]
        if words[1:] or words[0] in ("report", "doctor"):
            assert run(*words).code == 0, (page, arguments)
            ran.add(words[0])
    assert ran == set(QUICK)


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        path, _, place = target.partition("#")
        there = page if not path else (page.parent / path).resolve()
        assert there.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {anchor(heading) for heading in headings}, target


def test_every_page_is_reached_from_the_index() -> None:
    reached, todo = set(), [ROOT / "docs/index.md", ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            links = re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8"))
            todo += [(page.parent / link).resolve() for link in links]
    assert {of(page) for page in PAGES} <= {of(page) for page in reached if page.is_relative_to(ROOT)}


@pytest.mark.parametrize("page", WRITTEN, ids=of)
def test_settings_examples_are_valid(page: Path) -> None:
    for example in fences(page.read_text(encoding="utf-8"), "toml"):
        Settings.model_validate(tomllib.loads(example))


@pytest.mark.parametrize("page", WRITTEN, ids=of)
def test_programs_and_bodies_in_examples_are_whole(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for program in fences(text, "python"):
        compile(program, of(page), "exec")
    for body in re.findall(r"-d '([^']*)'", text):
        assert msgspec.json.decode(body)["messages"]


# --- what --json holds --------------------------------------------------------------------------------------------------


def names(keys: str) -> set[str]:
    """The keys at the top of `a, b{c}, d[{e}]`."""
    flat = keys
    while flat != (flat := re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", "", flat)):
        pass
    return {name.strip() for name in flat.split(",")}


def member(keys: str, name: str) -> set[str]:
    """The keys within a member of it: `d[{e}]` or `d{e}`."""
    found = re.search(rf"\b{name}(?:\[\{{|\{{)(.*)", keys)
    assert found
    depth, at = 1, 0
    while depth:
        depth += {"{": 1, "}": -1}.get(found[1][at], 0)
        at += 1
    return names(found[1][: at - 1])


_BODY = b'{"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}'


LISTED = (
    "lines", "plan", "postings", "checks", "workloads", "proof", "by_model", "apps", "policies", "sources", "rows",
    "estimate", "batches", "results", "arms", "judging", "quality", "cost", "latency_ms", "tasks", "promise",
    "saving", "evidence", "families", "alarm", "cases", "removed", "providers",
)  # fmt: skip
"""Members of documents whose own keys are documented."""


def test_the_keys_of_json_are_documented(
    run: Run, books: Books, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "0")

    def asked(*arguments: str, stdin: bytes = b"") -> Any:
        done: Done = run(*arguments, "--json", stdin=stdin)
        return done.json()

    report = ROOT / "tests" / "audit" / "importers" / "golden" / "admin-cost" / "by-description" / "cost.json"
    documents = {
        "audit": audit_document(audit(Wanted((books.path,)), load_book(), load_models())),
        "calc": asked("calc", "--requests", "10", "--in", "5", "--out", "5", "--model", "claude-opus-5-5", "--batch", "0.5"),
        "reconcile": asked("reconcile", books.path, "--report", str(report)),
        "price": asked("price", "--model", "claude-opus-5-5", "--input", "1"),
        "count": asked("count", "-", stdin=b'{"model": "claude-opus-5-5", "messages": []}'),
        "report": asked("report", "--ledger", books.path),
        "savings": asked("savings", "--ledger", books.path),
        "calibrate": asked("calibrate", "--data", _graded(), "--strong", "claude-opus-5-5", "--ledger", "calibrated.db"),
        "route explain": asked("route", "explain", "-", stdin=_BODY),
        "route tasks": asked("route", "tasks", "--ledger", books.path),
        "explain": asked("explain", books.ids[1], "--ledger", books.path),
        "cache report": asked("cache", "report", "--ledger", books.path),
        "cache doctor": asked("cache", "doctor", "-", stdin=b'{"model": "claude-opus-5-5", "messages": []}'),
        **{f"alerts {verb}": asked("alerts", verb, "--ledger", books.path) for verb in ("list", "rules")},
        "alerts test": asked("alerts", "test"),
        "doctor": asked("doctor", "--ledger", books.path),
        "providers": asked("providers"),
        "demo": demo_document(demo_done()),
        **_batch_documents(run),
        **_eval_documents(run),
        "prune": _pruned(run),
        **_tenancy_documents(run),
        **_reuse_documents(run, books.path),
    }
    assert documents.keys() == KEYS.keys()
    for verb, document in documents.items():
        keys = KEYS[verb]
        assert set(document) == names(keys), verb
        for name in LISTED:
            value = document.get(name)
            if value and isinstance(value, list | dict) and "…" not in member(keys, name):
                assert set(value[0] if isinstance(value, list) else value) == member(keys, name), (verb, name)


def _reuse_documents(run: Run, ledger: str) -> dict[str, Any]:
    """What the verb about earlier answers prints."""
    opened("answers.db").close()
    kept = {f"reuse {verb}": run("reuse", verb, "--path", "answers.db", "--json").json() for verb in ("stats", "clear")}
    return kept | {"reuse report": run("reuse", "report", "--ledger", ledger, "--json").json()}


def _tenancy_documents(run: Run) -> dict[str, Any]:
    """What the verbs about keys and teams print, from the first to the last."""

    def asked(*arguments: str, stdin: bytes = b"") -> Any:
        done = run(*arguments, "--json", "--ledger", "tenants.db", stdin=stdin)
        assert done.code == 0, done
        return done.json()

    return {
        "teams org add": asked("teams", "org", "add", "acme"),
        "teams add": asked("teams", "add", "platform"),
        "teams user add": asked("teams", "user", "add", "ann", "--team", "platform"),
        "teams list": asked("teams", "list"),
        "keys create": asked("keys", "create", "ci", "--user", "ann"),
        "keys rotate": asked("keys", "rotate", "ci"),
        "keys expire": asked("keys", "expire", "ci", "90d"),
        "keys list": asked("keys", "list"),
        "keys show": asked("keys", "show", "ci"),
        "keys audit": asked("keys", "audit"),
        "keys provider add": asked("keys", "provider", "add", "main", stdin=b"sk-ant-1"),
        "keys provider list": asked("keys", "provider", "list"),
        "keys reseal": asked("keys", "reseal"),
        "keys provider remove": asked("keys", "provider", "remove", "main"),
        "keys revoke": asked("keys", "revoke", "ci"),
        "teams user remove": asked("teams", "user", "remove", "ann"),
        "teams remove": asked("teams", "remove", "platform"),
        "teams org remove": asked("teams", "org", "remove", "acme"),
    }


def _graded() -> str:
    """Examples of two tasks: on one of them the cheap model is as good."""
    draw, lines = Random(1), []
    for at in range(500):
        task, right = draw.choice(("easy", "hard")), draw.random() < 0.9
        cheap = right and (task == "easy" or draw.random() < 0.6)
        outcomes = {"claude-opus-5-5": {"quality": float(right)}, "claude-haiku-5-5": {"quality": float(cheap)}}
        lines.append({"id": str(at), "text": f"{task} question {at}", "task": task, "outcomes": outcomes})
    Path("graded.jsonl").write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
    return "graded.jsonl"


def _batch_documents(run: Run) -> dict[str, Any]:
    """What the verbs about batches print, of a run that was not agreed to, one that was, and one that was canceled."""
    first = run("batch", "run", write_jobs(1, "one.jsonl"), "--out", "one.out", "--json").json()["run"]
    second = run("batch", "run", write_jobs(2), "--out", "two.out", "--json").json()["run"]
    return {
        "batch run": batch(run, "run", "jobs.jsonl", "--out", "three.out", "--yes"),
        "batch resume": batch(run, "resume", first, "--yes"),
        "batch cancel": batch(run, "cancel", second),
        "batch status": batch(run, "status", first),
        "batch list": batch(run, "list"),
        "batch results": batch(run, "results", first),
    }


def _eval_documents(run: Run) -> dict[str, Any]:
    """What the verbs about evaluations print, of one that a model has judged."""
    one = {"id": "a", "prompt": "Compute 2 + 2. Reply with the number only.", "human": {"claude-haiku-4-5": 1}}
    Path("set.jsonl").write_bytes(msgspec.json.encode(one) + b"\n")
    options = ("--models", "claude-haiku-4-5,claude-opus-4-8", "--judge", "llm:claude-opus-4-6", "--now")
    done = {
        "eval run": run("eval", "run", "set.jsonl", *options, "--verifier", "claude-haiku-5-5", "--json"),
        "eval report": run("eval", "report", "set.results.jsonl", "--json"),
        "eval compare": run("eval", "compare", "set.results.jsonl", "claude-haiku-4-5", "claude-opus-4-8", "--json"),
    }
    assert all(one.code == 0 for one in done.values()), done
    return {verb: one.json() for verb, one in done.items()}


def _pruned(run: Run) -> Any:
    """What is printed of a prompt with a part that may go, and too few cases to show it."""
    Path("prompt.md").write_text("Reply with the number only.\n\nThe shop is old.\n", encoding="utf-8")
    lines = [{"prompt": f"Compute {at} + 2. Reply with the number only.", "expected": str(at + 2)} for at in range(8)]
    Path("cases.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    done = run("prune", "prompt.md", "--eval", "cases.jsonl", "--judge", "numeric", "--json")
    assert done.code == 1, done
    return done.json()


# --- pages that follow the code ----------------------------------------------------------------------------------------


def test_the_states_of_batches_and_jobs_are_those_of_the_code() -> None:
    text = (ROOT / "docs/concepts/batches.md").read_text(encoding="utf-8")
    for head, table in (("Batch", BATCHES), ("Job", JOBS)):
        rows = text.partition(f"| {head} | Meaning |")[2].partition("\n\n")[0].splitlines()[2:]
        cells = [row.strip("| ").split(" | ") for row in rows]
        shown = {
            (state.strip("`"), event, after)
            for state, _, told in cells
            for event, after in re.findall(r"`(\w+)` → `(\w+)`", told)
        }
        assert shown == {
            (state, event, after if isinstance(after, str) else after[0]) for (state, event), after in table.items()
        }
        assert {state.strip("`") for state, *_ in cells} >= {state for state, _ in table}


def test_the_receiver_of_webhooks_in_the_guide_knows_ours() -> None:
    text = (ROOT / "docs/guides/batches.md").read_text(encoding="utf-8")
    (program,) = (one for one in fences(text, "python") if "def is_ours" in one)
    (secret,) = re.findall(r'webhook_secret = "([^"]+)"', text)
    names: dict[str, Any] = {}
    exec(program, names)
    at_s, body = int(time.time()), b'{"type": "thriftgate.job.answered"}'
    signed = {
        "webhook-id": "job_1",
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature(secret_of(secret), "job_1", at_s, body).decode(),
    }
    assert names["is_ours"](secret, signed, body)
    assert not names["is_ours"](secret, signed, body + b" ")
    assert not names["is_ours"](secret, signed | {"webhook-timestamp": str(at_s - 3_600)}, body)


# --- the README -------------------------------------------------------------------------------------------------------


def test_a_fresh_picture_takes_the_old_ones_place() -> None:
    printed = "thriftgate demo: fresh   \nwith \\1 and a tail  \n"
    assert generate.picture("a\n```text\nthriftgate demo: old\nlines\n```\nb\n```text\nother\n```\n", printed) == (
        "a\n```text\nthriftgate demo: fresh\nwith \\1 and a tail\n```\nb\n```text\nother\n```\n"
    )


def test_the_picture_of_the_demo_has_the_right_shape(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thriftgate.demo.run.run_demo", lambda *_, **__: demo_done())
    real = run("demo", "--ledger", "demo.db").out
    (picture,) = (block for block in fences(README, "text") if "thriftgate demo" in block)
    assert shape(picture) == shape(real.replace(demo_done().ledger, "demo.db"))


def test_the_money_in_the_picture_adds_up() -> None:
    (picture,) = (block for block in fences(README, "text") if "thriftgate demo" in block)
    rows = {line.split()[0]: line.split() for line in picture.splitlines() if re.match(r"\w+ +\d+ +\$", line)}
    assert list(rows) == [*(workload.name for workload in WORKLOADS), "total"]
    micros = {name: [int(cell.replace("$", "").replace(".", "")) for cell in row[1:5]] for name, row in rows.items()}
    for column in range(4):
        total = sum(figures[column] for name, figures in micros.items() if name != "total")
        assert abs(total - micros["total"][column]) <= len(WORKLOADS)  # each is rounded
    for _, baseline, paid, saved in micros.values():
        assert abs(baseline - paid - saved) <= 1


def shape(text: str) -> list[str]:
    """The lines with figures, ids and widths taken out. How often the agent calls is the simulated model's own business."""
    lines = [re.sub(r"tg_[0-9a-f]+", "ID", line.rstrip()) for line in text.strip().splitlines()]
    return [re.sub(r" +", " ", re.sub(r"\$?\d[\d.,]*", "N", line)) for line in lines]


def test_the_set_up_commands_exist() -> None:
    for task in re.findall(r"python3 tasks\.py (\w+)", README):
        program = f"import tasks; raise SystemExit({task!r} not in tasks.STEPS)"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        assert subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=60).returncode == 0
    assert "python3 tasks.py demo" in README
    assert "python3 tasks.py test" in README

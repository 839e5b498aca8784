"""Where snippets are run: a folder with the files that pages name, small books, a simulator, a gateway in front of it."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from tests.cli.batches import write_jobs
from tests.cli.conftest import Done, Run
from tests.clients.stack import Process
from tests.fixtures import KEY, PATIENCE_S
from tests.test_docs import ROOT, fences
from thriftgate.engine.reusing.file import opened

GATEWAY, PROVIDER = "http://127.0.0.1:8484", "http://127.0.0.1:8485"
"""What pages call them."""
BOOKS = ("thriftgate.db", "first.db", "spend.db", "demo.db")
ASKS = (["batch", "run"], ["batch", "resume"])
"""Verbs that ask on a terminal before they spend."""
SECRETS = ("...", "tg-…")
"""What stands on pages where a reader has a key."""
FED = {"zstdcat export.jsonl.zst": "export.jsonl"}
"""What is piped into a command, and the file here that holds it."""
BODY = {"model": "claude-opus-5-5", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
GOLDEN = ROOT / "tests" / "audit" / "importers" / "golden"


def lines_of(page: Path) -> list[str]:
    """The commands of a page's `sh` blocks, in order, without comments; a line that goes on is one."""
    found = []
    for block in fences(page.read_text(encoding="utf-8"), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            told = re.split(r"\s+#\s", line, maxsplit=1)[0].strip()
            if told:
                found.append(re.sub(r"\s{2,}", " ", told))
    return found


def lay_out(folder: Path, books: str, settings: str | None) -> None:
    """The files that pages name, each the smallest that its command can use."""
    for name in BOOKS:
        shutil.copy(books, folder / name)
    write_jobs(3, str(folder / "jobs.jsonl"))
    for name in ("request.json", "body.json"):
        (folder / name).write_bytes(msgspec.json.encode(BODY))
    (folder / "requests.jsonl").write_bytes(msgspec.json.encode(BODY) + b"\n")
    if settings is not None:
        (folder / "thriftgate.toml").write_text(settings, encoding="utf-8")
    (folder / "reviews.csv").write_text("review_id,review\na,It was fine.\nb,It broke.\n", encoding="utf-8")
    (folder / "ask.j2").write_text("Judge this review: {{ text }} [[sim: out=9]]", encoding="utf-8")
    (folder / "instructions.txt").write_text("In one word.", encoding="utf-8")
    sums = [
        {"id": str(at), "prompt": f"Compute {at} + 2. Reply with the number only.", "expected": str(at + 2)}
        for at in range(8)
    ]
    for name in ("tickets.jsonl", "items.jsonl", "questions.jsonl", "cases.jsonl"):
        (folder / name).write_bytes(b"".join(msgspec.json.encode(one | {"judge": "numeric"}) + b"\n" for one in sums))
    (folder / "prompt.md").write_text("Reply with the number only.\n\nThe shop is old.\n", encoding="utf-8")
    home = folder / "home" / ".claude" / "projects" / "here"
    shutil.copytree(GOLDEN / "claude-code", home)
    shutil.copytree(GOLDEN / "claude-code", folder / "logs")
    log = GOLDEN / "litellm" / "spend-logs-jsonl" / "spend.jsonl"
    for name in ("litellm_spend.json", "export.jsonl"):
        shutil.copy(log, folder / name)
    (folder / "traces").mkdir()
    (folder / "traces" / "one.jsonl.gz").write_bytes(
        gzip.compress((GOLDEN / "claude-code" / "fork" / "a.jsonl").read_bytes())
    )
    opened(str(folder / "answers.db")).close()
    shutil.copy(GOLDEN / "admin-cost" / "by-description" / "cost.json", folder / "cost_report.json")


class Stage:
    """What a reader does with the lines of one page, one after the other."""

    def __init__(
        self, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, urls: dict[str, str], put: dict[str, str]
    ) -> None:
        self.gateway = urls["gateway"]
        self._folder = folder
        self._run = run
        self._environment = monkeypatch
        self._urls = {PROVIDER: urls["provider"], GATEWAY: self.gateway, "https://gateway.example.com": self.gateway}
        self._put_here = dict.fromkeys(SECRETS, KEY) | put
        self._secret = KEY
        self._batch_run = ""

    def do(self, line: str) -> Done:
        """Run it. Raises KeyError for a program that is not known here."""
        fed, _, last = line.rpartition(" | ")
        assert not fed or fed in FED, fed
        words = shlex.split(last)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            self._export([words.pop(0)])
        return {"thriftgate": self._thriftgate, "curl": self._curl, "export": self._export, "echo": self._echo}[words[0]](
            words[1:], fed
        )

    def serve(self, line: str) -> str:
        """Start a verb that serves, and end it; its address."""
        words = [self._put(word) for word in shlex.split(re.sub(r"^[A-Z_]+=\S+ ", "", line))[1:]]
        if "--port" in words:
            words[words.index("--port") + 1] = "0"
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        process = Process(self._folder, *words, *(() if "--port" in words else ("--port", "0")))
        process.stop()
        return process.url

    def names(self, page: str) -> dict[str, Any]:
        """What a page's programs take for granted."""
        sdk = anthropic.Anthropic(base_url=self.gateway, api_key=KEY)
        weather = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
        known: dict[str, dict[str, Any]] = {
            "docs/guides/shorter.md": {"client": sdk},
            "docs/guides/openai.md": {"weather": weather},
        }
        return known.get(page, {})

    def _export(self, words: list[str], _fed: str = "") -> Done:
        for name, value in (word.split("=", 1) for word in words):
            if name != "PATH":
                self._environment.setenv(name, KEY if value in SECRETS else self._urls.get(value, value))
        return Done(0, "", "")

    def _echo(self, words: list[str], _fed: str) -> Done:
        text, into, name = words
        assert into == ">"
        (self._folder / name).write_text(f"{text}\n", encoding="utf-8")
        return Done(0, "", "")

    def _thriftgate(self, words: list[str], fed: str) -> Done:
        words = [self._put(word) for word in words]
        if words[:2] in ASKS:
            words.append("--yes")
        if words[:2] == ["batch", "run"]:
            words[words.index("results.jsonl")] = f"results{len(list(self._folder.glob('results*.jsonl')))}.jsonl"
        stdin = (self._folder / FED[fed]).read_bytes() if fed else self._secret.encode()
        done = self._run(*words, stdin=stdin)
        made = re.search(r"tg-[A-Za-z0-9_-]{49}", done.out)
        self._secret = made.group() if made else self._secret
        begun = re.search(r"run_[0-9a-f]{16}", done.out)
        self._batch_run = begun.group() if begun else self._batch_run
        return done

    def _curl(self, words: list[str], _fed: str) -> Done:
        words = [self._put(os.path.expandvars(word)) for word in words]
        command = ["curl", "-sS", "--fail-with-body", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=self._folder)
        return Done(done.returncode, done.stdout, done.stderr)

    def _put(self, word: str) -> str:
        """What a reader puts in the place of a page's word."""
        if word == "RUN":
            return self._batch_run
        for told, url in self._urls.items():
            word = word.replace(told, url)
        word = self._put_here.get(word, word)
        return word.replace("/data/", "").replace("~", str(self._folder / "home"))


def programs_of(page: Path, gateway: str) -> Iterator[str]:
    """The Python of a page, with this gateway and a key in the place of the reader's."""
    for program in fences(page.read_text(encoding="utf-8"), "python"):
        yield program.replace(GATEWAY, gateway).replace('"sk-ant-…"', f'"{KEY}"')

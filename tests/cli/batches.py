"""What the tests of `thriftgate batch` share: a simulator behind a socket, quick or slow at batches, and files of jobs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Done, Run
from tests.fixtures import KEY, PATIENCE_S, serving, simulator
from thriftgate.simulator import SimClock, Simulator
from thriftgate.simulator.config import BatchRules

MODEL = "claude-haiku-4-5"
AT_ONCE = {"duration_s": [1e-6, 2e-6], "readable_s": 0.0, "cancel_s": 0.0}
SLOWLY = AT_ONCE | {"duration_s": [600.0, 601.0]}
HEAD = "You judge reviews of products, kindly, and in one word. " * 450


class Provider:
    """The simulator at `url`, processing batches at once until told otherwise. `refusal` is answered in its place,
    a status and an error (or, below 400, the whole body); so many POSTs of batches as it is `busy` for are turned away."""

    def __init__(self) -> None:
        self.app: Simulator = simulator(clock=SimClock.real())
        self.url = ""
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.busy = 0
        self._slow = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        refusal = self.refusal
        if self.busy and (scope["type"], scope.get("method"), scope.get("path")) == ("http", "POST", "/v1/messages/batches"):
            self.busy -= 1
            refusal = 429, {"type": "rate_limit_error", "message": "too many at once"}
        if refusal is None or scope["type"] != "http":
            await self.app(scope, receive, send)
            if self._slow and self.posted:
                self.app.batches.rules = BatchRules.parse(SLOWLY)
            return
        status, error = refusal
        head = [(b"content-type", b"application/json"), (b"retry-after", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        document = {"type": "error", "error": error} if status >= 400 else error
        await send({"type": "http.response.body", "body": msgspec.json.encode(document)})

    def begin_anew(self) -> None:
        """As if nobody had ever called."""
        self.app.reset()
        self.refusal = None
        self.busy = 0
        self._slow = False
        self.faults()
        self.batches(AT_ONCE)

    def batches(self, rules: dict[str, Any]) -> None:
        """New batches are processed so."""
        self._post("batches", rules)

    def slow_after_the_first(self) -> None:
        """The next batch is still processed at once, all others take their time."""
        self._slow = True

    def faults(self, **faults: float) -> None:
        """These go wrong from now on."""
        self._post("faults", faults)

    def summary(self) -> Any:
        """The truth about what was billed."""
        with urllib.request.urlopen(f"{self.url}/_sim/bill/summary") as answer:
            return msgspec.json.decode(answer.read())

    @property
    def posted(self) -> int:
        """How many batches there are."""
        return len(self.app.batches.known())

    def _post(self, what: str, document: dict[str, Any]) -> None:
        urllib.request.urlopen(f"{self.url}/_sim/{what}", msgspec.json.encode(document)).close()


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    """One simulator for the tests of a file."""
    provider = Provider()
    with serving(provider) as url:
        provider.url = url
        yield provider


@pytest.fixture
def provider(server: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Provider:
    """Whom the command line of this test sends to, by its environment; its books and files are in the working folder."""
    monkeypatch.setenv("THRIFTGATE_UPSTREAM__URL", server.url)
    monkeypatch.setenv("THRIFTGATE_LEDGER__PATH", str(tmp_path / "books.db"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    server.begin_anew()
    return server


def params(number: int, **members: Any) -> dict[str, Any]:
    """The body of a call that no other job has."""
    text = f"Review {number}: it was fine. [[sim: out=9]]"
    return {"model": MODEL, "max_tokens": 40, "messages": [{"role": "user", "content": text}]} | members


def job(number: int, **members: Any) -> dict[str, Any]:
    """A line of a jobs file."""
    return {"custom_id": f"row-{number}", "params": params(number, **members)}


def tale(tokens: int) -> dict[str, Any]:
    """Members of a call whose answer is far longer than is expected of any."""
    text = f"Tell me a story. [[sim: out={tokens}]]"
    return {"max_tokens": tokens + 1_000, "messages": [{"role": "user", "content": text}]}


def write_jobs(count: int, path: str = "jobs.jsonl", also: Sequence[object] = (), **members: Any) -> str:
    """A jobs file in the working folder: so many good jobs, then what is to stand there also; bytes as they are."""
    lines = [job(number, **members) for number in range(count)]
    with Path(path).open("wb") as file:
        for line in (*lines, *also):
            file.write(line if isinstance(line, bytes) else msgspec.json.encode(line))
            file.write(b"\n")
    return path


def lines_of(path: str | Path = "out.jsonl") -> list[Any]:
    """The results in a file."""
    return [msgspec.json.decode(line) for line in Path(path).read_bytes().splitlines()]


def ids_of(path: str | Path = "out.jsonl") -> list[str]:
    """Whose results a file holds, in its order."""
    return [line["custom_id"] for line in lines_of(path)]


def kinds_of(path: str | Path = "out.jsonl") -> list[str]:
    """What became of the jobs, in the order of the file."""
    return [line["result"]["type"] for line in lines_of(path)]


def left_beside(path: str = "out.jsonl") -> set[str]:
    """Files beside the results that were made for them."""
    return {one.name for one in Path(path).resolve().parent.glob(f"{path}?*")}


def batch(run: Run, verb: str, *arguments: str) -> Any:
    """The document of a verb that went well."""
    done = run("batch", verb, *arguments, "--json")
    assert done.code == 0, done.err
    return done.json()


def batch_states(run: Run) -> list[str]:
    """The states of all batches in the books; none where there are no books."""
    done = run("batch", "list", "--json")
    return [one["state"] for one in done.json()["batches"]] if done.code == 0 else []


def refused(done: Done, provider: Provider, *words: str) -> None:
    """Bad usage: told in these words, without a traceback; nothing was sent, nothing is left."""
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert provider.posted == 0


class Process:
    """A verb of the command line as a process of its own, for the length of a `with`."""

    def __init__(self, *arguments: str, prelude: str = "", stdin: int = subprocess.DEVNULL) -> None:
        program = f"{prelude}\nfrom thriftgate.cli import main\nmain()"
        self._command = [sys.executable, "-c", program, *arguments]
        self._stdin = stdin

    def __enter__(self) -> Process:
        self._popen = subprocess.Popen(
            self._command, stdin=self._stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.returncode is None:
            self._popen.kill()
            self._popen.communicate()

    def end(self, how: int | None = None) -> Done:
        """Its end, after a signal where one is given."""
        if how is not None:
            self._popen.send_signal(how)
        out, err = self._popen.communicate(timeout=PATIENCE_S)
        return Done(self._popen.returncode, out, err)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until another process has done something."""
    pause, end = threading.Event(), time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.01)

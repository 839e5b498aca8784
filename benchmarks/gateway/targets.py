"""The proxies under test: how each is installed, configured, started and addressed. One class per proxy."""

import importlib.metadata
import os
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import msgspec

from benchmarks.gateway import install
from benchmarks.gateway.bodies import MODEL
from benchmarks.gateway.load import Endpoint
from benchmarks.gateway.process import Child, free_port

_API_KEY = ("x-api-key", "sk-ant-bench-000000000000")


class UnavailableError(RuntimeError):
    """The target cannot be measured on this machine; the message says why."""


@dataclass(frozen=True)
class Started:
    """A running proxy and how to reach it."""

    child: Child
    endpoint: Endpoint


@dataclass(frozen=True)
class Books:
    """What thriftgate booked: entries, holds that never resolved, and the calls its own report counts."""

    entries: int
    unresolved: int
    reported: int | None

    def wrong(self, calls: int) -> int:
        """How far the books are from holding each of these calls once."""
        reported = self.entries if self.reported is None else self.reported
        return abs(self.entries - calls) + abs(reported - calls) + self.unresolved


class Target(ABC):
    """One proxy. `start` may be called several times, one after the other."""

    name: str
    fifo = True  # may its latency be measured under SCHED_FIFO?
    note = ""  # what a reader of its figures must know

    def __init__(self, work: Path, installs: Path) -> None:
        self.work = work
        self.installs = installs
        self._starts = 0

    @abstractmethod
    def prepare(self) -> None:
        """Install or find the program; raises UnavailableError or InstallError."""

    @abstractmethod
    def version(self) -> str:
        """The version that is measured."""

    @abstractmethod
    def start(self, upstream: int, core: int) -> Started:
        """Start it on a free loopback port in front of the mock at `upstream`."""

    def folder(self) -> Path:
        """A fresh folder for one start: configuration, log, data."""
        self._starts += 1
        folder = self.work / f"{self.name}-{self._starts}"
        folder.mkdir(parents=True)
        return folder


class Thriftgate(Target):
    """`thriftgate serve` as it is by default: pricing, the caching lever, holds and the durable ledger are on."""

    name = "thriftgate"

    def __init__(self, work: Path, installs: Path, source: Path | None = None) -> None:
        super().__init__(work, installs)
        self.ledger = Path()
        self._env: dict[str, str] = {}
        if source is not None:  # another checkout, run by this environment's Python
            self.name = "other"
            self._env = {"PYTHONPATH": str(source / "src")}

    def prepare(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "thriftgate", "serve", "--help"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise UnavailableError(f"`thriftgate serve` does not run: {done.stderr[-300:].strip()}")

    def version(self) -> str:
        return importlib.metadata.version("thriftgate")

    def start(self, upstream: int, core: int) -> Started:
        folder = self.folder()
        self.ledger = folder / "ledger.db"
        port = free_port()
        command = [sys.executable, "-m", "thriftgate", "serve", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--upstream", f"http://127.0.0.1:{upstream}", "--ledger", str(self.ledger)]
        child = Child(command, folder / "log", core=core, cwd=folder, env=self._env)
        return Started(child, Endpoint(port, headers=(_API_KEY,)))

    def books(self) -> Books:
        """What the ledger of the last start holds (ask after it was stopped): by its file, and by the program's report."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as ledger:
            entries = int(ledger.execute("select count(*) from entries").fetchone()[0])
            unresolved = int(
                ledger.execute("select count(*) from holds where id not in (select id from entries)").fetchone()[0]
            )
        command = [sys.executable, "-m", "thriftgate", "report", "--ledger", str(self.ledger), "--json"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120, cwd=self.ledger.parent)
        if done.returncode != 0:
            return Books(entries, unresolved, reported=None)
        report: dict[str, object] = msgspec.json.decode(done.stdout, type=dict)
        calls = report["calls"]
        assert isinstance(calls, int)
        return Books(entries, unresolved, reported=calls)


class Nginx(Target):
    """A bare reverse proxy with kept-alive upstream connections: it parses no body, books nothing, decides nothing."""

    name = "nginx"
    note = "parses no body and keeps no books: the floor for a proxy on this machine"

    def prepare(self) -> None:
        if which("nginx") is None:
            raise UnavailableError("nginx is not installed (Debian: apt-get install nginx-light)")

    def version(self) -> str:
        done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().rpartition("/")[2]

    def start(self, upstream: int, core: int) -> Started:
        folder = self.folder()
        port = free_port()
        temporary = "\n".join(
            f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 2048; }}
http {{
{temporary}
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
        )
        child = Child(["nginx", "-c", str(folder / "nginx.conf")], folder / "log", core=core, cwd=folder)
        return Started(child, Endpoint(port, headers=(_API_KEY,)))


class LiteLLM(Target):
    """The LiteLLM proxy's own `/v1/messages` route: one worker, master key, no database, production mode."""

    name = "litellm"
    note = "one worker, master key, no database, LITELLM_MODE=PRODUCTION, log level ERROR, local cost map"

    def __init__(self, work: Path, installs: Path) -> None:
        super().__init__(work, installs)
        self._python = Path()

    def prepare(self) -> None:
        self._python = install.litellm(self.installs)

    def version(self) -> str:
        code = "import importlib.metadata as m; print(m.version('litellm'))"
        done = subprocess.run([str(self._python), "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def start(self, upstream: int, core: int) -> Started:
        folder = self.folder()
        port = free_port()
        (folder / "config.yaml").write_text(
            f"""model_list:
  - model_name: {MODEL}
    litellm_params:
      model: anthropic/{MODEL}
      api_base: http://127.0.0.1:{upstream}
      api_key: sk-ant-bench-000000000000
general_settings:
  master_key: sk-bench
litellm_settings:
  telemetry: false
"""
        )
        command = [str(self._python.with_name("litellm")), "--config", str(folder / "config.yaml")]
        command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
        env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        child = Child(command, folder / "log", core=core, env=env, cwd=folder)
        return Started(child, Endpoint(port, headers=(("authorization", "Bearer sk-bench"),), exact=False))


# Portkey 1.15.2 answers every stream with a 500 (`TypeError: immutable`; Portkey-AI/gateway #1389, #1550), since it changes
# the headers of a fetch answer in place. Copying them mends that, so that streams can be compared at all. It also listens on
# every address and has no setting for it: here on loopback only.
_PORTKEY_PRELOAD = """
const original = globalThis.fetch;
globalThis.fetch = async (...a) => { const r = await original(...a);
  return new Response(r.body, { status: r.status, statusText: r.statusText, headers: new Headers(r.headers) }); };
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, host, ...rest) { return listen.call(this, port, host ?? "127.0.0.1", ...rest); };
"""


class Portkey(Target):
    """The Portkey gateway on Node, in front of the mock by its custom-host header."""

    name = "portkey"
    fifo = False  # Node's worker threads spin under SCHED_FIFO
    note = "its fetch is wrapped so that streaming works at all; latency under the normal scheduler"

    def __init__(self, work: Path, installs: Path) -> None:
        super().__init__(work, installs)
        self._script = Path()

    def prepare(self) -> None:
        self._script = install.portkey(self.installs)

    def version(self) -> str:
        package = self._script.parent.parent / "package.json"
        document: dict[str, object] = msgspec.json.decode(package.read_bytes(), type=dict)
        return str(document["version"])

    def start(self, upstream: int, core: int) -> Started:
        folder = self.folder()
        port = free_port()
        preload = folder / "preload.cjs"
        preload.write_text(_PORTKEY_PRELOAD)
        command = ["node", "--require", str(preload), str(self._script), f"--port={port}", "--headless"]
        child = Child(command, folder / "log", core=core, env={"NODE_ENV": "production"}, cwd=folder)
        routing = (("x-portkey-provider", "anthropic"), ("x-portkey-custom-host", f"http://127.0.0.1:{upstream}/v1"))
        return Started(child, Endpoint(port, headers=(_API_KEY, *routing), exact=False))


TARGETS: dict[str, Callable[[Path, Path], Target]] = {
    "thriftgate": Thriftgate,
    "nginx": Nginx,
    "litellm": LiteLLM,
    "portkey": Portkey,
}

"""Rules about the code itself, each a function from sources to complaints. `test_tidy.py` applies them."""

from __future__ import annotations

import ast
import gc
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from thriftgate.cli import VERBS

ROOT = Path(__file__).parents[1]
PACKAGE = "src/thriftgate/"

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 125
DATA_BYTES_MAX = 300_000

CLOCK = "time is injected: take a Clock (thriftgate.clock)"
BANNED = {
    "time.time": CLOCK,
    "time.sleep": "await the Clock's sleep (thriftgate.clock)",
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "datetime.date.today": CLOCK,
    "asyncio.create_task": "an unreferenced task is lost: use engine.tasks.Tasks.spawn",
    "random": "randomness is injected: take a random.Random built from a seed at the entry point",
    "json": "use msgspec.json: one JSON library, exact bytes",
    "pickle": "use msgspec",
    "logging": "use the log in thriftgate.logs: it never tells values",
    "structlog": "use the log in thriftgate.logs: it never tells values",
    "print": "print in cli/output.py only: stdout is a contract",
    "hash": "differs from process to process: use hashlib",
    "os.getenv": "settings/load.py reads the environment, once",
    "os.environ": "settings/load.py reads the environment, once",
}
# Where a banned name is at home: (name, path under src/thriftgate).
ALLOWED = {
    ("print", "cli/*"),
    ("print", "pricing/compile.py"),  # a developer's command of its own
    ("logging", "logs.py"),
    ("structlog", "logs.py"),
    ("os.environ", "settings/load.py"),
    ("os.environ", "cli/*"),  # the outermost edge
    ("os.environ", "providers/google_credentials.py"),  # where Google's own tools say that their credentials are
    ("os.environ", "providers/aws_credentials.py"),  # AWS's own variables, which change while a gateway runs
}
VAGUE_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|common|managers?|misc)$|(?:Utils?|Helpers?|Managers?)$")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
MACHINE = re.compile(r"/(?:work|root|farm)/|/(?:home|Users)/(?!user/|you/|me/|dev/|alice/)\w+/|[A-Z]:\\Users")
REGISTRIES = re.compile(r"\bpypi[.]|pythonhosted[.]|npmjs[.]|\bdebian[.]org|\bcrates[.]io|proxy[.]golang")

# Modules no other module leads to: name -> who uses them.
ENTRY_POINTS = {
    "thriftgate.core.anomalies.watch": "the room that turns findings into alerts",
    "thriftgate.ledger.settled_call": "the room that turns findings into alerts",
    "thriftgate.rag": "programs that retrieve: `from thriftgate.rag import Arranger`",
    "thriftgate.providers.asgi_transport": "programs that run an ASGI upstream in their own process; build_engine takes it",
}
# Source files without a test file of their own name: path under src/thriftgate -> what tests them instead.
TESTED_ELSEWHERE = {
    "__init__.py": "tests/test_client.py: all it does is to import the client when it is asked for",
    "__main__.py": "one call of cli.main; every test that starts a process runs it",
    "ledger/budgets.py": "a contract: tests/contracts/check_budgets.py",
    "ledger/sql_budget_book.py": "tests/contracts/test_budgets.py, which hands it to every check",
}
# Public names that nothing in src uses: name -> who does.
USED_ELSEWHERE = {
    **dict.fromkeys(("handle", "handle_async"), "the official SDK calls them: its middleware"),
    **dict.fromkeys(("handle_request", "handle_async_request"), "the SDK's HTTP client calls them: its transport"),
    **dict.fromkeys(("Arranger", "arrange"), "programs that retrieve"),
    "handle_exit": "uvicorn, on a signal",
    "bytes_held": "tests, which hold the memo to its bound",
    "severity": "the room that turns findings into alerts",
    "cannot_carry": "the dialect contract: what a translating dialect declares as lost",
    "AsgiTransport": "programs that run an ASGI upstream in their own process; build_engine takes it",
    "count_blocks": "tests and benchmarks, which ask the simulator for its own count",
    **dict.fromkeys(
        ("jeffreys_p", "mixing_path", "plain_path", "agreement_certified", "certify_grades"),
        "benchmarks.routing: rivals and plans that the guarantee is measured beside",
    ),
    "hold_for_an_hour": "benchmarks.context, which keeps the budget of regret where caches lapse",
    "excludes": "tests, which hold intervals to the truth",
    "startup": "uvicorn calls it",
    "readinto": "io.BufferedReader calls it",
    **dict.fromkeys(
        ("connection_made", "data_received", "eof_received", "connection_lost", "pause_writing", "resume_writing"),
        "the event loop calls it",
    ),
    **dict.fromkeys(("generate_trace_id", "generate_span_id", "on_end"), "the OpenTelemetry SDK calls it"),
    **dict.fromkeys(
        ("on_message_begin", "on_header", "on_headers_complete", "on_message_complete"), "the HTTP parser calls it"
    ),
}


class Source(NamedTuple):
    """A Python file; `path` is relative to the checkout, with forward slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def inner(self) -> str:
        return self.path.removeprefix(PACKAGE)

    def comments(self) -> dict[int, str]:
        """Comments by line."""
        return _comments(self.text)

    def excused(self, line: int) -> bool:
        """Whether the line carries a `noqa` with a code and a reason."""
        return bool(re.search(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*\s+\S", self.comments().get(line, "")))


@cache
def _comments(text: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def source(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    skip = [*ignored, ".git", "*.pyc"]
    found: list[Path] = []
    stack = [ROOT]
    while stack:
        for item in sorted(stack.pop().iterdir()):
            if any(fnmatch(item.name, pattern) for pattern in skip):
                continue
            (stack if item.is_dir() else found).append(item)
    return tuple(sorted(found))


@cache
def texts() -> dict[str, str]:
    """Path -> content of every text file."""
    found = {}
    for file in files():
        try:
            found[file.relative_to(ROOT).as_posix()] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file. Two million nodes that live to the end: they are kept out of the collector's way."""
    gc.disable()
    try:
        found = tuple(source(path, text) for path, text in texts().items() if path.endswith(".py"))
        gc.freeze()
    finally:
        gc.enable()
    return found


def package() -> tuple[Source, ...]:
    return tuple(one for one in sources() if one.path.startswith(PACKAGE))


# --- rules on one Python file ------------------------------------------------------------------------------------------


def banned_calls(one: Source) -> Iterator[str]:
    """A banned name is used; say what to use instead. Ruff knows most of them; here the exceptions must give a reason."""
    if not one.path.startswith(PACKAGE):
        return
    aliases = _aliases(one.tree)
    used = {(getattr(node, "lineno", 0), name) for node in ast.walk(one.tree) for name in _names(node, aliases)}
    for line, banned in sorted({(line, known) for line, name in used for known in _beginnings(name) if known in BANNED}):
        allowed = any(banned == known and fnmatch(one.inner, where) for known, where in ALLOWED)
        if not allowed and not one.excused(line):
            yield f"{one.path}:{line}: {banned}: {BANNED[banned]}"


def _beginnings(name: str) -> Iterator[str]:
    """`a`, `a.b`, `a.b.c`."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])


def _aliases(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({alias.asname: alias.name for alias in node.names if alias.asname})
            found.update({top: top for alias in node.names if not alias.asname for top in alias.name.split(".")[:1]})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def _names(node: ast.AST, aliases: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute):
        parts = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in aliases:
            yield ".".join([aliases[inner.id], *reversed(parts)])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in aliases:
        yield node.func.id


def blanket_excepts(one: Source) -> Iterator[str]:
    """`except Exception` swallows what nobody foresaw: raise again, log it, or give the reason in a noqa. Tests may."""
    if one.path.startswith("tests/"):
        return
    for node in ast.walk(one.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
        if not caught & {"Exception", "BaseException"} or one.excused(node.lineno):
            continue
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        logs = any(isinstance(inner, ast.Attribute) and inner.attr == "exception" for inner in ast.walk(node))
        if not raises and not logs:
            yield f"{one.path}:{node.lineno}: except {' | '.join(sorted(caught))} without `# noqa: BLE001  reason`"


def bare_ignores(one: Source) -> Iterator[str]:
    """`type: ignore` and `noqa` name what they silence."""
    for line, comment in one.comments().items():
        if re.search(r"type:\s*ignore(?!\[)", comment) or re.search(r"noqa(?!: [A-Z]+\d)", comment):
            yield f"{one.path}:{line}: {comment} names no code"


def unfinished(one: Source) -> Iterator[str]:
    """What is left to do stands in an issue, not in the code."""
    for number, line in enumerate(one.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{one.path}:{number}: {line.strip()}"
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplemented" + "Error":
            yield f"{one.path}:{node.lineno}: a body that is not there"


def vague_names(one: Source) -> Iterator[str]:
    """A module or class named after nothing in particular holds nothing in particular."""
    for part in PurePosixPath(one.path).with_suffix("").parts:
        if VAGUE_NAMES.search(part):
            yield f"{one.path}: name it after what it holds, not {part!r}"
    for node in ast.walk(one.tree):
        if isinstance(node, ast.ClassDef) and VAGUE_NAMES.search(node.name):
            yield f"{one.path}:{node.lineno}: name it after what it does, not {node.name!r}"


def long_files(one: Source) -> Iterator[str]:
    """Ratchets: lower them, never raise them. A long one is a question to ask. The reason in a `noqa` is not counted."""
    lines = one.text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield f"{one.path}: {len(lines)} lines, at most {FILE_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if len(re.sub(r"\s*# (?:noqa|type):.*$", "", line)) > LINE_LENGTH_MAX:
            yield f"{one.path}:{number}: {len(line)} characters, at most {LINE_LENGTH_MAX}"
    for node in ast.walk(one.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{one.path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES_MAX}"


# --- rules on the package as a whole -----------------------------------------------------------------------------------


def dead_files(modules: Iterable[Source]) -> Iterator[str]:
    """A module that no entry point leads to: the command line, its verbs, and modules that are run by themselves."""
    by_name = {_module(one): one for one in modules}
    queue = ["thriftgate.__main__", "thriftgate.cli", *(f"thriftgate.cli.{verb}" for verb, _ in VERBS), *ENTRY_POINTS]
    queue += [name for name, one in by_name.items() if "__name__" in one.text and '"__main__"' in one.text]
    reached: set[str] = set()
    while queue:
        name = queue.pop()
        if name in reached or name not in by_name:
            continue
        reached.add(name)
        queue += [name.rpartition(".")[0], *_imported(by_name[name].tree)]
    for name in sorted(by_name.keys() - reached):
        yield f"{by_name[name].path}: nothing leads to {name}"


def _module(one: Source) -> str:
    return one.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dead_names(modules: Iterable[Source]) -> Iterator[str]:
    """A public function, class or method that nothing in src uses. Tests do not count: what only they need is dead."""
    modules = tuple(modules)
    uses: Counter[str] = Counter()
    for one in modules:
        for node in ast.walk(one.tree):
            uses.update(_used(node))
    for one in modules:
        for name, node in public_names(one.tree):
            own = sum(name in _used(inner) for inner in ast.walk(node))
            if uses[name] == own and name not in USED_ELSEWHERE and not one.excused(node.lineno):
                yield f"{one.path}:{node.lineno}: nothing uses {name}"


def _used(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        return (node.attr,)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return (node.value,)  # verbs are named by strings
    return ()


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_names(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    for node in tree.body:
        if isinstance(node, Definition):
            yield from _unless_private(node)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Definition):
                    yield from _unless_private(inner)


def _unless_private(node: Definition) -> Iterator[tuple[str, Definition]]:
    if not node.name.startswith("_"):
        yield node.name, node


def untested_files(modules: Iterable[Source], paths: Iterable[str]) -> Iterator[str]:
    """src/thriftgate/a/b.py is tested by tests/a/test_b.py, so that one finds it; inside a package of a room, a/b/c.py, also
    by tests/a/test_b_c.py. A file that only declares (values, protocols, tables) has nothing to test."""
    there = set(paths)
    for one in modules:
        if one.inner in TESTED_ELSEWHERE or not _does_something(one.tree):
            continue
        *folders, stem = PurePosixPath(one.inner).with_suffix("").parts
        if stem == "__init__":
            *folders, stem = folders
        wanted = ["/".join(["tests", *folders, f"test_{stem}.py"])]
        if len(folders) > 1:
            wanted.append("/".join(["tests", *folders[:-1], f"test_{folders[-1]}_{stem}.py"]))
        if there.isdisjoint(wanted):
            yield f"{one.path}: no {' nor '.join(wanted)}"


def _does_something(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if any(not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)) for part in body):
                return True
    return False


# --- rules on any text -------------------------------------------------------------------------------------------------


def machine_paths(path: str, text: str) -> Iterator[str]:
    """A path of one machine, or the host of a package registry: the clients' defaults are what others have."""
    for number, line in enumerate(text.splitlines(), 1):
        for hit in (*MACHINE.finditer(line), *REGISTRIES.finditer(line)):
            yield f"{path}:{number}: {hit.group()}"


FileRule = Callable[[Source], Iterator[str]]
FILE_RULES: tuple[FileRule, ...] = (banned_calls, blanket_excepts, bare_ignores, unfinished, vague_names, long_files)

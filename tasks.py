"""What can be done with this checkout, on a machine that has nothing but Python 3.11 or newer:

    python3 tasks.py demo             watch real client calls get cheaper, without a key or a network
    python3 tasks.py test [ARGS]      the test suite; ARGS go to pytest
    python3 tasks.py slow [ARGS]      its slow part: whole systems killed and measured, the pages' commands
    python3 tasks.py lint             format, lint, types, import contracts
    python3 tasks.py check            lint, then test
    python3 tasks.py deep [ARGS]      the property tests with many more examples
    python3 tasks.py kill [ARGS]      kill -9 in the middle of calls, fifty times, and count the books
    python3 tasks.py fleet [ARGS]     three reloads under load, then kill -9 of a worker amid 200 streams: count the books
    python3 tasks.py chaos [ARGS]     faults and kills by seeds over all parts and back ends: 10,000 of them
    python3 tasks.py netns [ARGS]     pull the cable of PostgreSQL's host amid calls; as root, in network namespaces
    python3 tasks.py kill-batch       kill -9 of the batch runner, thirty times over 100,000 jobs, and count the books
    python3 tasks.py fuzz [ARGS]      random input to parsers, importers and splicer, guided by coverage (--seconds N each)
    python3 tasks.py soak             a minute of mixed traffic: memory, descriptors, the books against the bill
    python3 tasks.py bench NAME       one benchmark, such as: gateway
    python3 tasks.py recipes [ARGS]   docs/guides/recipes.md with the real clients, installed into .cache (1.3 GB)
    python3 tasks.py engines [ARGS]   audits on Ray, installed into .cache (0.4 GB)
    python3 tasks.py deploy [ARGS]    deploy/ with hadolint, helm and the schemas, installed into .cache (120 MB), and built
    python3 tasks.py snippets         every command and program of the documentation, the short form is part of test
    python3 tasks.py site             the documentation as a site, into .cache/site
    python3 tasks.py lock [recipes]   resolve dependencies anew into requirements.lock and the image's, or those clients
    python3 tasks.py build [ARGS]     wheel and sdist into dist/, built twice and compared (--install: and installed by hash)
    python3 tasks.py sbom [FILE]      the bill of materials of the locked packages, as CycloneDX
    python3 tasks.py audit-deps       whether holes are known in a locked package; asks the advisory service
    python3 tasks.py install          only make .venv

Every task first makes .venv from requirements.lock, with hashes, where it is missing or the lock has changed. With --here
as the first argument the running interpreter's environment is used instead, and is not touched but by `install`.
Nothing but the standard library is imported.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  the one file that is run before anything has checked
    sys.exit("thriftgate needs Python 3.11 or newer; this is Python {}.{}.{}".format(*sys.version_info[:3]))

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / ".requirements-digest"

RECIPES = ROOT / ".cache" / "recipes"
RECIPE_LOCKS = ROOT / "tests" / "recipes" / "locks"
RECIPE_PATIENCE_S = 600
ENGINE_TESTS = "tests/audit/replay/test_on_ray.py"

DEPLOY_TOOLS = ROOT / ".cache" / "deploy"
DEPLOY_TOOLS_LOCK = ROOT / "tests" / "deploy" / "tools.lock"

Command = tuple[str, ...]

PYTEST: Command = ("-m", "pytest", "-n", "3")  # on two cores: many tests wait for processes of their own
STEPS: dict[str, tuple[Command, ...]] = {
    "install": (
        ("-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.lock"),
        ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."),
    ),
    "demo": (("-m", "thriftgate", "demo"),),
    "format": (("-m", "ruff", "format", "--check", "."), ("-m", "ruff", "check", ".")),
    "types": (("-m", "mypy", "src", "tests", "benchmarks", "fuzz", "supply", "tasks.py", "noxfile.py"),),
    "imports": (("-c", "from importlinter.cli import lint_imports_command as run; run(['--no-cache', '--no-logo'])"),),
    "test": ((*PYTEST, "-m", "not slow"),),
    "slow": ((*PYTEST, "-m", "slow", "--ignore=tests/snippets"),),  # those are run in full by `snippets`
    "deep": ((*PYTEST, "--hypothesis-profile=deep"),),
    "kill": (("-m", "tests.sim.kill", "--kills", "50"),),
    "fleet": (("-m", "tests.sim.fleet"),),
    "chaos": (("-m", "tests.sim.chaos", "--seeds", "10000"),),
    "netns": (("-m", "tests.sim.netns"),),
    "kill-batch": (("-m", "benchmarks.batch", "kill"),),
    "fuzz": (("-m", "fuzz"),),
    "build": (("-m", "supply", "build"),),
    "sbom": (("-m", "supply", "sbom"),),
    "audit-deps": (("-m", "supply", "audit-deps"),),
    "soak": (("-m", "benchmarks.soak", "--short"),),
    "site": (("-m", "mkdocs", "build", "--strict"),),
}
"""What each task runs, as arguments of Python. The last step takes what else stood on the command line."""

GROUPS = {"lint": ("format", "types", "imports"), "check": ("format", "types", "imports", "test")}

COMPILE = (
    "pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -p 3.11"
)
ENGINES = ("ray",)  # extras too large to be installed by everybody who works here
EXTRAS = tuple(
    f"--extra={name}"
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    if name not in ENGINES
)
COMPILED = ("pyproject.toml", *EXTRAS, "--group", "dev", "-o", "requirements.lock")
IMAGE_EXTRAS = ("postgres", "redis", "otel", "aws", "google", "oidc", "alerts", "context")
IMAGE_COMPILED = (
    ("pyproject.toml", *(f"--extra={extra}" for extra in IMAGE_EXTRAS), "-o", "deploy/container/run.lock"),
    ("deploy/container/build.in", "-o", "deploy/container/build.lock"),
)
"""What the image holds: of the same versions as the checkout."""
RECIPES_COMPILED = (
    *((str(RECIPE_LOCKS / f"{name}.in"), "-o", str(RECIPE_LOCKS / f"{name}.lock")) for name in ("python", "aider")),
    *(("pyproject.toml", f"--extra={name}", "-o", str(RECIPE_LOCKS / f"{name}.lock")) for name in ENGINES),
)
PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--require-hashes", "-r")
NODE_INSTALL = (
    ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"),
    ("node", "node_modules/opencode-ai/postinstall.mjs"),  # finds the program for this machine among what was installed
)
RECIPES_NPM = ("npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--prefix", str(RECIPE_LOCKS))


def main(arguments: list[str]) -> int:
    """Run one task; its exit code, or 2 for a task that does not exist."""
    here = arguments[:1] == ["--here"]
    name, *rest = arguments[1:] if here else arguments or ["help"]
    if name not in {*STEPS, *GROUPS, *OTHERS} or (name == "bench" and not rest):
        print(__doc__)
        return 0 if name in {"help", "--help", "-h"} else 2
    python = sys.executable if here else str(ensure_venv())
    if name == "install":
        return run(python, name) if here else 0
    if name in OTHERS:
        return OTHERS[name](python, rest)
    if name in GROUPS:
        return max(run(python, task) for task in GROUPS[name])  # all of them: one failure does not hide the next
    return run(python, name, rest)


def run(python: str, task: str, rest: list[str] | None = None) -> int:
    """The steps of one task in order, up to the first that fails; its exit code."""
    *steps, last = STEPS[task]
    for step in (*steps, (*last, *(rest or []))):
        failed = call([python, *step])
        if failed:
            return failed
    return 0


def call(command: list[str]) -> int:
    """Run a command in the checkout, with its output going where ours goes."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def ensure_venv() -> Path:
    """The Python of .venv, made or brought up to date with the lock where needed."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    digest = lock_digest()
    if python.exists() and STAMP.exists() and STAMP.read_text(encoding="utf-8") == digest:
        return python
    print("thriftgate: installing into .venv (once; again when requirements.lock changes)", file=sys.stderr, flush=True)
    if not python.exists():
        try:
            venv.create(VENV, clear=VENV.exists(), with_pip=True, symlinks=os.name != "nt")
        except (subprocess.CalledProcessError, ImportError):
            shutil.rmtree(VENV, ignore_errors=True)
            sys.exit("this Python cannot make virtual environments with pip; on Debian and Ubuntu: apt install python3-venv")
    failed = run(str(python), "install")
    if failed:
        sys.exit(failed)
    STAMP.write_text(digest, encoding="utf-8")
    return python


def lock_digest() -> str:
    """What .venv was made from: the locked packages, and what says how this one is installed."""
    return hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def lock(what: str = "") -> int:
    """Resolve anew. Existing pins stay where they can; delete the file first to move all of them."""
    uv = shutil.which("uv", path=os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", "")]))
    if uv is None:
        print("the lock is made by uv, which is not installed here: pip install uv", file=sys.stderr)
        return 2
    if what != "recipes":
        failed = call([uv, "--quiet", *COMPILE.split(), *COMPILED])
        image = [[uv, "--quiet", *COMPILE.split(), "-c", "requirements.lock", *one] for one in IMAGE_COMPILED]
        return failed or max(call(one) for one in image)
    return max(*(call([uv, "--quiet", *COMPILE.split(), *one]) for one in RECIPES_COMPILED), call([*RECIPES_NPM]))


def recipes(
    python: str, rest: list[str], names: tuple[str, ...] = ("python", "aider", "node"), tests: str = "tests/recipes"
) -> int:
    """Run the recipes of the guide. A client that cannot be installed is named, and its test is skipped with the reason."""
    RECIPES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        for name, refused in pool.map(install_clients, names):
            reason = RECIPES / f"{name}.refused"
            if refused:
                reason.write_text(refused, encoding="utf-8")
                print(f"WARNING: the clients in {name} are skipped: {refused}", file=sys.stderr, flush=True)
            else:
                reason.unlink(missing_ok=True)
    os.environ["THRIFTGATE_RECIPES"] = str(RECIPES)
    return call([python, *PYTEST, tests, *rest])


def deploy(python: str, rest: list[str]) -> int:
    """Check deploy/ with the programs that are made for it, and follow the steps of its container file."""
    digest, stamp = hashlib.sha256(DEPLOY_TOOLS_LOCK.read_bytes()).hexdigest(), DEPLOY_TOOLS / "digest"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        shutil.rmtree(DEPLOY_TOOLS, ignore_errors=True)
        install = (python, *PIP_INSTALL, str(DEPLOY_TOOLS_LOCK), "--target", str(DEPLOY_TOOLS))
        failed = call([*install]) or call([python, "-m", "tests.deploy.tools", str(DEPLOY_TOOLS)])
        if failed:
            return failed
        DEPLOY_TOOLS.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest, encoding="utf-8")
    os.environ["THRIFTGATE_DEPLOY_TOOLS"] = str(DEPLOY_TOOLS)
    return call([python, *PYTEST, "tests/deploy", *rest])


def install_clients(name: str) -> tuple[str, str]:
    """Bring an environment of real clients up to date with its lock. Its name, and why it could not be, or nothing."""
    folder, stamp = RECIPES / name, RECIPES / f"{name}.digest"
    files = [
        RECIPE_LOCKS / file for file in (("package.json", "package-lock.json") if name == "node" else (f"{name}.lock",))
    ]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return name, ""
    print(
        f"thriftgate: installing clients into .cache/recipes/{name} (once; again when their lock changes)", file=sys.stderr
    )
    shutil.rmtree(folder, ignore_errors=True)
    try:
        if name == "node":
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder)
            commands: tuple[Command, ...] = NODE_INSTALL
        else:
            venv.create(folder, with_pip=True, symlinks=os.name != "nt")
            commands = ((str(folder / "bin" / "python"), *PIP_INSTALL, str(files[0])),)
        for command in commands:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=RECIPE_PATIENCE_S)
    except subprocess.CalledProcessError as error:
        lines = f"{error.stdout or ''}\n{error.stderr or ''}".splitlines()
        told = [line[:160] for line in lines if "error" in line.lower() and "Ignored" not in line]
        return name, " ".join(told)[:500] or str(error)
    except (OSError, subprocess.TimeoutExpired) as error:
        return name, str(error)
    stamp.write_text(digest, encoding="utf-8")
    return name, ""


def snippets(python: str, rest: list[str]) -> int:
    """Run what the pages of the documentation show, what serves included."""
    os.environ["THRIFTGATE_SNIPPETS"] = "full"
    return call([python, "-m", "pytest", "tests/snippets", *rest])


OTHERS: dict[str, Callable[[str, list[str]], int]] = {
    "bench": lambda python, rest: call([python, "-m", f"benchmarks.{rest[0]}", *rest[1:]]),
    "lock": lambda _python, rest: lock(*rest),
    "recipes": recipes,
    "snippets": snippets,
    "deploy": deploy,
    "engines": lambda python, rest: recipes(python, rest, ENGINES, ENGINE_TESTS),
}
"""Tasks that are more than steps."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What can be done with this checkout, on a machine that has nothing but Python 3.11 or newer:

    python3 tasks.py demo             watch real client calls get cheaper, without a key or a network
    python3 tasks.py test [ARGS]      the whole test suite; ARGS go to pytest
    python3 tasks.py lint             format, lint, types, import contracts
    python3 tasks.py check            lint, then test
    python3 tasks.py deep [ARGS]      the property tests with many more examples
    python3 tasks.py kill [ARGS]      kill -9 in the middle of calls, fifty times, and count the books
    python3 tasks.py fleet [ARGS]     three reloads under load, then kill -9 of a worker amid 200 streams: count the books
    python3 tasks.py kill-batch       kill -9 of the batch runner, thirty times over 100,000 jobs, and count the books
    python3 tasks.py bench NAME       one benchmark, such as: gateway
    python3 tasks.py recipes [ARGS]   docs/guides/recipes.md with the real clients, installed into .cache (1.3 GB)
    python3 tasks.py lock [recipes]   resolve the dependencies anew into requirements.lock, or those clients
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
import venv
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

Command = tuple[str, ...]

PYTEST: Command = ("-m", "pytest", "-n", "2")
STEPS: dict[str, tuple[Command, ...]] = {
    "install": (
        ("-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.lock"),
        ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."),
    ),
    "demo": (("-m", "thriftgate", "demo"),),
    "format": (("-m", "ruff", "format", "--check", "."), ("-m", "ruff", "check", ".")),
    "types": (("-m", "mypy", "src", "tests", "benchmarks", "tasks.py", "noxfile.py"),),
    "imports": (("-c", "from importlinter.cli import lint_imports_command as run; run(['--no-cache', '--no-logo'])"),),
    "test": (PYTEST,),
    "deep": ((*PYTEST, "--hypothesis-profile=deep"),),
    "kill": (("-m", "tests.sim.kill", "--kills", "50"),),
    "fleet": (("-m", "tests.sim.fleet"),),
    "kill-batch": (("-m", "benchmarks.batch", "kill"),),
}
"""What each task runs, as arguments of Python. The last step takes what else stood on the command line."""

GROUPS = {"lint": ("format", "types", "imports"), "check": ("format", "types", "imports", "test")}

COMPILE = (
    "pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -p 3.11"
)
COMPILED = ("pyproject.toml", "--all-extras", "--group", "dev", "-o", "requirements.lock")
RECIPES_COMPILED = tuple(
    (str(RECIPE_LOCKS / f"{name}.in"), "-o", str(RECIPE_LOCKS / f"{name}.lock")) for name in ("python", "aider")
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
    if name not in {*STEPS, *GROUPS, "bench", "lock", "recipes"} or (name == "bench" and not rest):
        print(__doc__)
        return 0 if name in {"help", "--help", "-h"} else 2
    python = sys.executable if here else str(ensure_venv())
    if name == "install":
        return run(python, name) if here else 0
    if name in {"lock", "recipes"}:
        return lock(*rest) if name == "lock" else recipes(python, rest)
    if name == "bench":
        return call([python, "-m", f"benchmarks.{rest[0]}", *rest[1:]])
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
        return call([uv, "--quiet", *COMPILE.split(), *COMPILED])
    return max(*(call([uv, "--quiet", *COMPILE.split(), *one]) for one in RECIPES_COMPILED), call([*RECIPES_NPM]))


def recipes(python: str, rest: list[str]) -> int:
    """Run the recipes of the guide. A client that cannot be installed is named, and its test is skipped with the reason."""
    RECIPES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        for name, refused in pool.map(install_clients, ("python", "aider", "node")):
            reason = RECIPES / f"{name}.refused"
            if refused:
                reason.write_text(refused, encoding="utf-8")
                print(f"WARNING: the clients in {name} are skipped: {refused}", file=sys.stderr, flush=True)
            else:
                reason.unlink(missing_ok=True)
    os.environ["THRIFTGATE_RECIPES"] = str(RECIPES)
    return call([python, *PYTEST, "tests/recipes", *rest])


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""For those who have nox: the tasks of tasks.py, each in an environment of its own, the tests on every Python there is."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]


def task(session: nox.Session, name: str) -> None:
    """Install the locked packages and run a task in this session's environment."""
    session.run("python", "tasks.py", "--here", "install", silent=True)
    session.run("python", "tasks.py", "--here", name, *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite."""
    task(session, "test")


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint, import contracts."""
    task(session, "format")
    session.run("python", "tasks.py", "--here", "imports")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    task(session, "types")


@nox.session
def deep(session: nox.Session) -> None:
    """The property tests with many more examples."""
    task(session, "deep")


@nox.session
def kill(session: nox.Session) -> None:
    """kill -9 in the middle of calls, fifty times."""
    task(session, "kill")


@nox.session(name="kill-batch")
def kill_batch(session: nox.Session) -> None:
    """kill -9 of the batch runner, thirty times over 100,000 jobs."""
    task(session, "kill-batch")

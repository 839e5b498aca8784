"""Where the time goes: py-spy samples the stacks of a loaded process; the lines with most samples are shown.

Shares are of the samples in which the process was busy. A sample belongs to the room of the package whose function is
innermost on the stack; "own" counts a function when it was on top, "with callees" when it was anywhere on it.
"""

from collections import Counter
from pathlib import Path
from shutil import which

from benchmarks.gateway import install
from benchmarks.gateway.process import Child

_SHOWN = 22
_PACKAGE = "(thriftgate/"
_WAITS = ("PyThread_acquire_lock_timed", "pthread_cond_timedwait", "pthread_cond_wait", "sem_wait", "sem_timedwait")


class Sampler:
    """One py-spy at a time, on the core that the process under test does not use."""

    def __init__(self, installs: Path) -> None:
        found = which("py-spy")
        self._program = Path(found) if found else install.py_spy(installs)
        self._child: Child | None = None
        self._raw = Path()

    def start(self, pid: int, seconds: float, core: int, work: Path) -> None:
        """Begin to sample; `finish` waits for the end."""
        self._raw = work / "samples.txt"
        command = [str(self._program), "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
        command += ["--rate", "500", "--format", "raw", "--output", str(self._raw), "--native"]
        self._child = Child(command, work / "py-spy.log", core=core)

    def finish(self) -> str:
        """The table of the last sampling."""
        assert self._child is not None
        self._child.wait(30.0)
        if not self._raw.exists():
            return f"py-spy gave no samples: {self._child.tail()}"
        return shares(self._raw.read_text())


def shares(raw: str) -> str:
    """The most expensive rooms and functions of samples in the "a;b;c count" form."""
    rooms: Counter[str] = Counter()
    own: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    total = 0
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [_function(frame.strip()) for frame in stack.split(";")]
        if any(frame.startswith(_WAITS) for frame in frames[-4:]):
            continue  # a thread that waits for a lock, a queue or the interpreter costs nothing
        ours = [frame for frame in frames if _PACKAGE in frame]
        count = int(number)
        total += count
        rooms[_room(ours[-1]) if ours else "threads of others"] += count
        own[frames[-1]] += count
        with_callees.update(dict.fromkeys(ours, count))
    if not total:
        return "no samples: the process was idle"
    lines = [f"{total} samples"]
    tables = (("by room, libraries it calls included", rooms), ("own", own), ("with callees", with_callees))
    for title, counts in tables:
        lines.append(f"  {title}")
        lines += [f"  {count / total:6.1%}  {name}" for name, count in counts.most_common(_SHOWN)]
    return "\n".join(lines)


def _room(function: str) -> str:
    """The folder or file of the package that a function lives in; the server runs below the command line's frames."""
    room = function.rpartition(_PACKAGE)[2].rstrip(")").split("/")[0]
    return "the HTTP server and its loop" if room == "cli" else room


def _function(frame: str) -> str:
    """The frame without its line number."""
    name, _, place = frame.rpartition(" (")
    return f"{name} ({place.rpartition(':')[0] or place.rstrip(')')})" if name else frame

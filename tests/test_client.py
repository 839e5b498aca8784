"""`import thriftgate`: light, and clear about what is missing."""

from __future__ import annotations

import subprocess
import sys

IMPORTS = """
import sys, thriftgate
from thriftgate import cost_limit, deadline, task
heavy = {"anthropic", "httpx2", "pydantic", "aiohttp", "sqlite3"} & set(sys.modules)
assert not heavy, heavy
try:
    thriftgate.nothing
except AttributeError as error:
    print(error)
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "anthropic":
            raise ModuleNotFoundError("No module named 'anthropic'", name="anthropic")
sys.meta_path.insert(0, Missing())
try:
    thriftgate.Client
except Exception as error:
    print(type(error).__name__, error)
"""


def test_what_an_import_costs() -> None:
    """`import thriftgate` imports none of what is heavy, and without the SDK it says what is missing."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", IMPORTS], capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert told == [
        "module 'thriftgate' has no attribute 'nothing'",
        "ConfigError thriftgate.Client needs the official SDK: pip install 'thriftgate[sdk]'",
    ], done.stderr[-2000:]
    (line,) = (line for line in done.stderr.splitlines() if line.endswith("| thriftgate"))
    assert int(line.split("|")[1]) < 100_000, "microseconds, with all that it imports"

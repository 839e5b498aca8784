"""A gateway allows itself as many open files as it may."""

from __future__ import annotations

import resource
import subprocess
import sys

from thriftgate.cli.open_files import WANTED, most_open_files

_TAKING = """
import resource
from thriftgate.cli.open_files import take_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
take_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_as_far_as_is_wanted() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = subprocess.run([sys.executable, "-c", _TAKING], capture_output=True, text=True, check=True).stdout.split()
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    assert [int(one) for one in told] == [wanted, hard]


def test_what_is_allowed_already_stays() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most_open_files()
    assert most is None or most >= soft

"""The sandbox: what code can and cannot do in it."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from thriftgate.quality.judges.sandbox import Ran, can_run, run_code

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")


def ran(code: str, tests: str = "", cpu_s: int = 5, wall_s: float = 20.0) -> Ran:
    return run_code(code, tests, cpu_s=cpu_s, wall_s=wall_s, memory_mb=256)


def test_code_that_passes_its_tests() -> None:
    assert can_run()
    assert (
        ran("def add(a, b):\n    return a + b", "from __future__ import annotations\nassert add(1, 2) == 3").end == "passed"
    )


@pytest.mark.parametrize(
    ("code", "tests", "words"),
    [
        ("x = 1", "assert x == 2, 'off'", "AssertionError: off"),
        ("x = ", "", "SyntaxError"),
        ("", "assert y", "NameError"),
        ("import sys; sys.exit(0)", "assert False", "ended before its tests were through"),
        ("import os; os._exit(0)", "assert False", "ended before its tests were through"),
        ("x = bytearray(10**9)", "", "MemoryError"),
        ("import os; os.fork()", "", "BlockingIOError"),
        ("open('big', 'wb').write(bytes(10**8))", "", ""),
        ("import os; os.kill(os.getpid(), 11)", "", "SIGSEGV"),
        ("input()", "", "EOFError"),
        ("import os; assert os.environ.get('PATH'), 'empty'", "", "empty"),
    ],
)
def test_code_that_fails(code: str, tests: str, words: str) -> None:
    result = ran(code, tests)
    if "fork" in code and "processes" in result.lacking:
        pytest.skip("the platform does not limit processes")
    assert (result.end, words in result.reason) == ("failed", True), result


def test_an_endless_loop_is_its_own_fault_but_a_long_sleep_cannot_be_judged() -> None:
    assert ran("while True: pass", cpu_s=1) == Ran("failed", "more than 1 s of processor time", ran("").lacking)
    asleep = ran("import time\ntime.sleep(60)", wall_s=0.5)
    assert (asleep.end, asleep.reason) == ("stopped", "not through after 0.5 s")


def test_a_kill_from_outside_is_not_its_fault() -> None:
    result = ran("import os; os.kill(os.getpid(), 9)")
    assert (result.end, "killed from outside" in result.reason) == ("stopped", True)


def test_the_network_is_cut_off_where_the_system_permits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=server.accept, daemon=True).start()
        port = server.getsockname()[1]
        result = ran(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
    assert result.end == ("passed" if "network" in result.lacking else "failed")


def test_it_is_not_in_our_folder_and_leaves_nothing(tmp_path: object) -> None:
    result = ran("import os; open('mine', 'w').write('x'); raise SystemExit(os.getcwd())")
    assert result.reason
    assert result.reason != os.getcwd()  # noqa: PTH109  as the program says it
    assert not os.path.exists(result.reason)  # noqa: PTH110

"""The benchmark of limits, in short: that it runs and tells; how quick they are is for it to say."""

from __future__ import annotations

import msgspec
import pytest
from benchmarks.limits.__main__ import main

from tests.servers import redis_server


def test_it_tells_what_limits_cost(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--calls", "30", "--keys", "2", "--json"])
    lines = capsys.readouterr().out.splitlines()
    document = msgspec.json.decode(lines[-1])
    assert [len(lines), list(document["us"])] == [4, ["1", "5", "20"]]
    assert all(us > 0 for us in document["us"].values())


def test_it_tells_what_they_cost_in_redis(capsys: pytest.CaptureFixture[str]) -> None:
    with redis_server() as server:
        main(["--calls", "64", "--keys", "2", "--redis", server.url, "--json"])
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    assert list(document["redis_us"]) == ["1", "8", "64"]
    assert all(us > 0 for us in document["redis_us"].values())

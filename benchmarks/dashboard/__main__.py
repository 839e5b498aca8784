"""`python -m benchmarks.dashboard`: how long pages take over a million calls, on the server and until a browser paints."""

from __future__ import annotations

import argparse
import http.client
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.dashboard.seed import seed
from benchmarks.options import positive

HOME = "/thriftgate/dashboard"
PAGES = {
    "overview, 7 days": "",
    "overview, all": "?span=all",
    "overview, one key, 90 days": "?span=90d&key=key_ci",
    "cache, 30 days": "/cache?span=30d",
    "live": "/live",
    "quality, 7 days": "/quality",
    "keys": "/keys",
    "budgets": "/budgets",
    "alerts": "/alerts",
    "batches": "/batches",
    "what if, 250 calls": "/what-if?calls=250&span=24h",
    "settings": "/settings",
}
FIRST_PAINT_MS = 300
ROUNDS = 5


def main() -> int:
    """Seed, serve, measure, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--calls", type=positive, default=1_000_000, help="calls in the ledger")
    parser.add_argument("--ledger", help="ledger, a file or a URL, to look at instead of one that is made up")
    parser.add_argument("--chromium", type=Path, default=Path("/usr/bin/chromium"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="dashboard-bench-") as folder:
        ledger = arguments.ledger or str(Path(folder) / "ledger.db")
        seeded_s = 0.0
        if arguments.ledger is None:
            began = time.perf_counter()
            seed(Path(ledger), arguments.calls, int(time.time() * 1e6))
            seeded_s = time.perf_counter() - began
        return _measured(ledger, arguments, seeded_s)


def _measured(ledger: str, arguments: argparse.Namespace, seeded_s: float) -> int:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "thriftgate", "dashboard", "--ledger", ledger, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        if found is None:
            print("the dashboard did not start", file=sys.stderr)
            return 2
        url = found.group()
        _get(url, "/settings")  # opens the ledger, and makes roll-ups where there are none
        opened_s = time.perf_counter() - began
        told = {name: _server(url, path) for name, path in PAGES.items()}
        paints = _paints(url, arguments.chromium) if arguments.chromium.exists() else {}
    finally:
        process.terminate()
        process.wait()
    calls = arguments.calls if arguments.ledger is None else 0
    return _judged(told, paints, {"calls": calls, "seeded_s": seeded_s, "opened_s": opened_s}, arguments)


def _get(url: str, path: str) -> tuple[float, int]:
    """Milliseconds to the whole page, and its bytes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
    began = time.perf_counter()
    connection.request("GET", HOME + path)
    response = connection.getresponse()
    body = response.read()
    took = (time.perf_counter() - began) * 1000
    connection.close()
    assert response.status == 200, (path, response.status, body[:300])
    return took, len(body)


def _server(url: str, path: str) -> dict[str, float]:
    first, size = _get(url, path)
    again = [_get(url, path)[0] for _ in range(ROUNDS)]
    return {"first_ms": first, "median_ms": statistics.median(again), "bytes": size}


def _paints(url: str, chromium: Path) -> dict[str, float]:
    """First contentful paint of each page in a headless browser with an empty cache, the median of some (milliseconds)."""
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        for name, path in PAGES.items():
            found[name] = statistics.median(_paint(browser, url + HOME + path) for _ in range(ROUNDS))
        browser.close()
    return found


def _paint(browser: Any, url: str) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url, wait_until="load")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    told: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return told


def _judged(
    told: dict[str, dict[str, float]], paints: dict[str, float], about: dict[str, float], arguments: argparse.Namespace
) -> int:
    which = f"{about['calls']:,.0f} calls" if about["calls"] else "the ledger that was named"
    print(f"{which}; opened, with roll-ups made, after {about['opened_s']:.1f} s")
    print(f"{'page':28} {'first':>9} {'server':>9} {'paint':>9} {'bytes':>9}")
    for name, one in told.items():
        paint = f"{paints[name]:7.0f} ms" if name in paints else "-"
        print(f"{name:28} {one['first_ms']:6.0f} ms {one['median_ms']:6.1f} ms {paint:>9} {one['bytes']:9,.0f}")
    overview = paints.get("overview, 7 days")
    passed = None if overview is None else overview < FIRST_PAINT_MS
    print(f"first paint of the overview under {FIRST_PAINT_MS} ms: {'not measured' if passed is None else passed}")
    if arguments.json:
        print(msgspec.json.encode({**about, "server": told, "first_paint_ms": paints, "passed": passed}).decode())
    return 1 if passed is False else 0


if __name__ == "__main__":
    sys.exit(main())

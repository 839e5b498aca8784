"""The command: `python -m supply sbom [FILE] | audit-deps | build [--install]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from supply.build import Differs, build, epoch_s, install
from supply.lock import LOCK, ROOT
from supply.sbom import sbom

AUDIT = ("pip_audit", "--strict", "--require-hashes", "--disable-pip", "--no-deps", "--progress-spinner", "off")
DIST = ROOT / "dist"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m supply", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("sbom").add_argument("file", nargs="?", type=Path, default=DIST / "thriftgate.cdx.json")
    verbs.add_parser("audit-deps").add_argument("lock", nargs="?", type=Path, default=LOCK)
    verbs.add_parser("build").add_argument("--install", action="store_true", help="and install it, by hash, to look")
    asked = parser.parse_args(arguments)
    if asked.verb == "audit-deps":
        return _audit(asked.lock)
    if asked.verb == "sbom":
        asked.file.parent.mkdir(parents=True, exist_ok=True)
        asked.file.write_bytes(sbom(epoch_s()))
        print(f"{asked.file}: {asked.file.stat().st_size:,} bytes")
        return 0
    return _build(and_install=asked.install)


def _audit(lock: Path) -> int:
    """Exit code 1 where a hole is known, or where the service could not be asked about each package."""
    done = subprocess.run([sys.executable, "-m", *AUDIT, "-r", str(lock)], check=False, cwd=ROOT)
    if done.returncode:
        print("not every package of the lock is known to be without holes: see above", file=sys.stderr)
    return min(done.returncode, 1)


def _build(*, and_install: bool) -> int:
    try:
        made = build(DIST)
    except Differs as error:
        print(error, file=sys.stderr)
        return 1
    for one in made:
        print(f"{one.sha256}  {one.path.name}  (built twice, the same)")
    if and_install:
        with tempfile.TemporaryDirectory(prefix="thriftgate-install-") as folder:
            install(DIST, Path(folder) / "venv")
        print("installed by hash into an empty environment, and it runs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

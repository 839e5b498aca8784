"""The guide has a recipe for each client that is tested, and the locks are fit to be installed from anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import tasks

from tests.recipes.clients import PAGE, find, recipe
from tests.tidy_rules import REGISTRIES

HERE = Path(__file__).parent
CLIENTS = {
    "LangChain": "langchain",
    "LlamaIndex": "llamaindex",
    "pydantic-ai": "pydantic_ai",
    "Vercel AI SDK": "ai_sdk",
    "llm": "llm",
    "aider": "aider",
    "opencode": "opencode",
    "Claude Code": "claude_code",
}


def test_each_recipe_has_its_test() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(CLIENTS)
    assert {f"test_{name}.py" for name in CLIENTS.values()} == {
        file.name for file in HERE.glob("test_*.py") if file != Path(__file__)
    }
    assert all(recipe(client) for client in headings)


@pytest.mark.parametrize("name", ["python", "aider"])
def test_python_locks(name: str) -> None:
    text = (tasks.RECIPE_LOCKS / f"{name}.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==\S+(?: ; .*)? \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    wanted = (tasks.RECIPE_LOCKS / f"{name}.in").read_text(encoding="utf-8").split()
    assert {re.split(r"[<\[]", one)[0] for one in wanted} <= set(pinned)
    assert not REGISTRIES.search(text)


def test_node_lock() -> None:
    lock = msgspec.json.decode((tasks.RECIPE_LOCKS / "package-lock.json").read_bytes())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"] for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    wanted = msgspec.json.decode((tasks.RECIPE_LOCKS / "package.json").read_bytes())["dependencies"]
    assert {f"node_modules/{name}" for name in wanted} <= set(packages)


def test_versions_on_the_page() -> None:
    """Those that are told are those that are locked."""
    locks = "".join((tasks.RECIPE_LOCKS / f"{name}.lock").read_text(encoding="utf-8") for name in ("python", "aider"))
    versions = dict(re.findall(r"^([\w.-]+)==([\w.]+)", locks, re.MULTILINE))
    node = msgspec.json.decode((tasks.RECIPE_LOCKS / "package-lock.json").read_bytes())["packages"]
    versions |= {name.rpartition("node_modules/")[2]: package["version"] for name, package in node.items() if name}
    told = re.findall(r"([@\w/.-]+) (\d+\.\d[\w.]*)(?=[,.;\n])", PAGE.read_text(encoding="utf-8"))
    shown = {name: version for name, version in told if name in versions}
    assert len(shown) >= 9
    assert shown == {name: versions[name] for name in shown}


def test_what_is_missing_is_skipped_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THRIFTGATE_RECIPES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"python3 tasks\.py recipes"):
        find("python", "llm")
    monkeypatch.setenv("THRIFTGATE_RECIPES", str(tmp_path))
    (tmp_path / "aider.refused").write_text("aider: no such version", encoding="utf-8")
    with pytest.raises(pytest.skip.Exception, match="no such version"):
        find("aider", "aider")
    assert find("python", "llm") == tmp_path / "python" / "node_modules" / ".bin" / "llm"

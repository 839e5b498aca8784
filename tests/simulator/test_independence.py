"""The oracle shares no code with what it judges."""

import ast
from pathlib import Path

import thriftgate.simulator

ROOM = Path(thriftgate.simulator.__file__).parent


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            found.add(node.module or "")
    return found


def test_nothing_of_thriftgate_outside_the_room_is_imported() -> None:
    for path in ROOM.rglob("*.py"):
        ours = {name for name in imports(path) if name.split(".")[0] == "thriftgate"}
        assert all(name.startswith("thriftgate.simulator") for name in ours), path


def test_every_source_file_has_its_tests() -> None:
    tests = {path.name for path in Path(__file__).parent.rglob("test_*.py")}
    for path in ROOM.rglob("*.py"):
        if path.name != "__init__.py":
            assert f"test_{path.name}" in tests

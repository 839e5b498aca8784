"""Hooks of mkdocs, which makes a site of these pages: `python3 tasks.py site`.

Its menu is `index.md`: the headings, and the links under each. The benchmarks' own page comes along from where it lies.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BROUGHT = {"../../benchmarks/README.md": ("benchmarks.md", ROOT / "benchmarks" / "README.md")}
"""Pages from outside: as they are linked to from a folder of the docs, their place in the site, and where they lie."""

_LINE = re.compile(r"^## (?P<heading>.+)|^- \[(?P<title>[^\]]+)\]\((?P<page>[^)]+)\)", re.MULTILINE)


def on_config(config: Any) -> Any:
    """The menu."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    config.nav = [{"Start": "index.md"}, {"Getting started": "getting-started.md"}, *menu(index)]
    decisions = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    config.nav.append({"Decisions": [f"adr/{name}" for name in decisions]})
    config.nav.append({"Benchmarks": [place for place, _ in BROUGHT.values()]})
    return config


def menu(index: str) -> list[dict[str, list[dict[str, str]]]]:
    """What stands under each heading."""
    found: list[dict[str, list[dict[str, str]]]] = []
    for line in _LINE.finditer(index):
        if line["heading"]:
            found.append({line["heading"]: []})
        else:
            next(iter(found[-1].values())).append({line["title"]: line["page"]})
    return found


def on_files(files: Files, config: Any) -> Files:
    """With the pages that are brought along."""
    for place, path in BROUGHT.values():
        files.append(File.generated(config, place, content=path.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to them lead to where they stand in the site."""
    for link, (place, _path) in BROUGHT.items():
        markdown = markdown.replace(f"({link}", f"(../{place}")
    return markdown

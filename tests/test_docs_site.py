"""The menu of the documentation's site, without making the site."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml
from docs import site

ROOT = Path(__file__).parents[1]
INDEX = """# Title

Words and [a link](elsewhere.md) that are no part of it.

## First

- [One](guides/one.md)
- [Two](guides/two.md)

## Second

- [Three](concepts/three.md)
"""


class Config:
    """As much of mkdocs' configuration as the hook touches."""

    nav: list[dict[str, str | list[str] | list[dict[str, str]]]]


def test_headings_and_the_links_under_them() -> None:
    assert site.menu(INDEX) == [
        {"First": [{"One": "guides/one.md"}, {"Two": "guides/two.md"}]},
        {"Second": [{"Three": "concepts/three.md"}]},
    ]


def test_every_page_is_in_the_menu_once() -> None:
    listed: Counter[str] = Counter()
    for item in site.on_config(Config()).nav:
        for value in item.values():
            pages = [value] if isinstance(value, str) else value
            listed.update(page if isinstance(page, str) else next(iter(page.values())) for page in pages)
    brought = {place for place, _ in site.BROUGHT.values()}
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert not there & brought, "a page of the docs would be covered by one that is brought along"
    assert listed == Counter(there | brought)


def test_pages_from_outside_are_there_and_linked_to_where_they_stand() -> None:
    assert all(path.is_file() for _, path in site.BROUGHT.values())
    told = site.on_page_markdown("see [it](../../benchmarks/README.md#failover), [that](../benchmarks/README.md)")
    assert told == "see [it](../benchmarks.md#failover), [that](../benchmarks/README.md)"


def test_the_site_fetches_nothing_from_elsewhere() -> None:
    """What a reader's browser would get from another host tells that host who reads what."""
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["highlightjs"] is False
    assert not any("//" in address for name in ("extra_css", "extra_javascript") for address in settings.get(name, ()))
    assert settings["site_dir"].startswith(".cache/"), "what is made is not committed"

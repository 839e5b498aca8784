"""Pages name what they are."""

from __future__ import annotations

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages import MENU, PAGES
from thriftgate.dashboard.pages.page import Page


async def test_a_page_without_a_view_shows_its_document(sources: Sources) -> None:
    async def document(_asked: object) -> dict[str, object]:
        return {}

    assert Page("x", "X", "x", document).view({}, asked_of(sources)) == {}


def test_slugs_and_titles_are_unique() -> None:
    assert len({page.slug for page in PAGES.values()}) == len(PAGES) == len(MENU) + 1
    assert len({page.title for page in PAGES.values()}) == len(PAGES)

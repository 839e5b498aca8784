"""The pages, in the order of the menu. One file each."""

from __future__ import annotations

from thriftgate.dashboard.pages import alerts, batches, budgets, cache, call, keys, live, overview, quality, settings, whatif
from thriftgate.dashboard.pages.page import Page

MENU: tuple[Page, ...] = (
    overview.PAGE,
    live.PAGE,
    alerts.PAGE,
    budgets.PAGE,
    cache.PAGE,
    whatif.PAGE,
    quality.PAGE,
    batches.PAGE,
    keys.PAGE,
    settings.PAGE,
)

PAGES: dict[str, Page] = {page.slug or "overview": page for page in (*MENU, call.PAGE)}

__all__ = ["MENU", "PAGES", "Page"]

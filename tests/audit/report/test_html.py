"""The HTML page: well formed, closed to the network, names escaped, colours that can be read."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import ALL, DAY_DEPTH, DEARER, EMPTY, FREE, HOSTILE, MANY_MODELS, NASTY, RICH
from thriftgate.audit.report.html import html_page

MADE_US = 1_795_000_000_000_000
VOID = {"meta", "br", "input", "link", "img", "hr"}
CSS = files("thriftgate.audit.report").joinpath("page.css").read_text(encoding="utf-8")


@cache
def page(name: str) -> str:
    return html_page(ALL[name], title=NASTY if name == "hostile" else "The shop", made_at_us=MADE_US)


class Reader(HTMLParser):
    """Reads a page; complains about what does not close."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(markup)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} twice"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack[-1:] != ["style"]:
            self.words.append(data)

    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("name", ALL)
def test_well_formed(name: str) -> None:
    read = Reader(page(name))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {attributes["for"] for attributes in read.of("label")} <= set(ids)
    assert {(attributes["href"] or "")[1:] for attributes in read.of("a")} <= set(ids)


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_loaded_and_nothing_runs(name: str) -> None:
    read = Reader(page(name))
    assert not {"script", "link", "iframe", "object", "embed", "form", "base", "img", "use", "image"} & {
        tag for tag, _ in read.tags
    }
    for tag, attributes in read.tags:
        assert not [one for one in attributes if one.startswith("on") or one in {"src", "srcset", "xlink:href", "action"}], (
            tag
        )
        assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "")
    assert "://" not in page(name)
    assert not re.search(r"url\(|@import", page(name))
    policy = [one["content"] for one in read.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_names_are_escaped_everywhere() -> None:
    markup = page("hostile")
    assert "<script" not in markup
    assert "</script" not in markup
    read = Reader(markup)
    labels = [one["aria-label"] or "" for one in read.of("svg")]
    assert sum(NASTY in label for label in labels) >= 4, "as text, in attributes too"
    assert read.text().count("<script>alert") > 40
    assert not set(markup) & set("\x1b\u202e\ud800")
    markup.encode()


@pytest.mark.parametrize("name", ["rich", "one day", "long", "many models", "huge", "dearer", "hostile"])
def test_every_plot_is_there_labelled_and_has_a_table(name: str) -> None:
    read = Reader(page(name))
    assert len(read.of("svg")) == 2 * 7
    assert [one["class"] for one in read.of("svg")] == ["wide", "narrow"] * 7
    assert all(one["role"] == "img" and one["aria-label"] for one in read.of("svg"))
    assert len(read.of("figure")) == len(read.of("details")) == len(read.of("summary")) == 7


def test_the_figures_that_matter() -> None:
    text = Reader(page("rich")).text()
    assert "Spend at list prices $1,824.54 between $1,815.41 and $1,833.66 $912.27 a month" in text
    assert "Could be saved $291.93 16.0 %, $266.38 to $317.47; no answer changes $529.12 where answers may change" in text
    assert "Cache hit rate 80.9 % of 1.17 G prompt tokens caching already saved $5,473.61, 75.0 %" in text
    assert "Calls 25,619 in 1,204 sessions 19,204 copies of calls merged" in text
    assert "Period 60 days 2 Aug 2026 to 30 Sep 2026" in text
    assert "Not priced, and in no sum: 14 calls of claude-next-preview, 220 k tokens: no row in the price book." in text
    assert "Left out: 3 × cut off, or no JSON. What they cost is missing here." in text
    assert "$97.31 a month $95.28 to $99.34" in text
    assert "1,195 more: see --json." in text
    assert "Made 2026-11-18 11:06 UTC by thriftgate" in text


def test_settings_keep_their_lines() -> None:
    assert (
        '<pre tabindex="0"><code>[levers]\nenabled = [&#34;cache.breakpoints&#34;, &#34;cache.keepalive&#34;]\n\n[cache]'
        in page("rich")
    )


def test_what_the_result_rests_on() -> None:
    text = Reader(page("rich")).text()
    assert "23,057 of 25,619 calls could be replayed (90.0 %)." in text
    assert "The system prompt and the tools are not in the log." in text
    assert "The logs themselves claim $1,825.54 (+$1.00)" in text
    assert "context.trim_tools no whole requests the logs hold no messages" in text
    assert RICH.notes[0] in text


def test_words_stand_left_and_figures_right() -> None:
    assert '<td class="number">$130.32</td><td class="number">$121.64</td><td>session 8f2a after 23 min</td>' in page("rich")
    assert '<th scope="col">answers</th><th scope="col">note</th>' in page("rich")


def test_nothing_found() -> None:
    read = Reader(page("empty"))
    assert "Spend at list prices $0.00 no call was found" in read.text()
    assert "Could be saved – these logs tell too little to say" in read.text()
    assert read.of("svg") == []
    assert len(re.findall('class="none"', page("empty"))) == 4
    assert "There was no file to read." in read.text()


def test_nothing_but_files_that_nobody_knows() -> None:
    read = Reader(page("unread"))
    text = read.text()
    assert [attributes["class"] for attributes in read.of("ul")] == ["alerts"]
    assert "Nothing was read: no call, and no sum of days. 3 files were skipped: 2 × unknown format" in text
    assert "Left out: 4 × cut off, or no JSON." in text
    assert "What to do thriftgate audit --help lists the formats" in text
    for misleading in ("These logs hold", "Nothing to recommend", "Which levers could be judged"):
        assert misleading not in text


def test_sums_of_days() -> None:
    text = Reader(page("day depth")).text()
    assert "these logs tell too little to say" in text
    assert "These logs could not be replayed" in text
    assert "These logs hold sums of days." in text
    assert "Nothing was read" not in text
    assert len(Reader(page("day depth")).of("figure")) == 4


def test_where_levers_save_nothing() -> None:
    assert "Could be saved – no lever saves anything here" in Reader(page("dearer")).text()


def test_only_unsafe_levers_save() -> None:
    found = replace(RICH, policies=tuple(one for one in RICH.policies if one.name in {"as-is", "all"}))
    text = Reader(html_page(found, title="x", made_at_us=MADE_US)).text()
    assert "Could be saved $0.00 $529.12 where answers may change" in text


def test_long_tables_say_what_they_leave_out() -> None:
    assert "28 more ($117.68): see --json." in Reader(page("many models")).text()


def test_free_calls() -> None:
    text = Reader(page("free")).text()
    assert "No spend to plot." in text
    assert "nan" not in text.lower().split()


def test_the_samples_are_what_they_claim() -> None:
    assert sum(one.pico for one in RICH.days) == RICH.cost.pico
    assert len(MANY_MODELS.by_model) == 40
    assert min(one.saved.pico for one in DEARER.policies if one.family == "levers") < 0
    assert (EMPTY.calls, FREE.cost.pico, DAY_DEPTH.depth) == (0, 0, "day")
    assert NASTY in HOSTILE.by_key[0].name


# --- the style sheet ----------------------------------------------------------------------------------------------------


def colours() -> dict[str, dict[str, str]]:
    """The variables of both schemes."""
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w]+): (#[0-9a-f]{6});", block)) for name, block in (("light", light), ("dark", dark))
    }


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it (w3.org/TR/WCAG22, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str) -> None:
    told = colours()[scheme]
    pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("page", "card", "tint")]
    pairs += [("ink", "code"), ("good", "card"), ("bad", "card"), ("bad", "alert")]
    assert {
        pair: round(contrast(*map(told.__getitem__, pair)), 2)
        for pair in pairs
        if contrast(*map(told.__getitem__, pair)) < 4.5
    } == {}
    marks = [name for name in told if re.fullmatch(r"c\d|read|write\d|plain|out|fee", name)]
    assert len(marks) == 13
    assert {
        name: round(contrast(told[name], told["card"]), 2) for name in marks if contrast(told[name], told["card"]) < 3.0
    } == {}


def test_both_schemes_know_every_colour() -> None:
    assert colours()["light"].keys() == colours()["dark"].keys()
    used = set(re.findall(r"var\(--([\w]+)\)", CSS))
    assert used <= colours()["light"].keys()


def test_every_class_of_the_drawings_has_a_colour() -> None:
    used = {css for name in ALL for css in re.findall(r'class="(?:spread )?([ckpwmg]-?[\w-]+)"', page(name))}
    missing = [
        css
        for css in used
        if css not in {"card", "catch", "curve", "prose", "middle", "parts", "month", "kicker", "pane-model", "pane-kind"}
    ]
    assert [css for css in missing if f".{css} {{" not in CSS] == []

"""Messages to compress, by source: the caller's traces, requests and files, and made-up ones of kinds they hardly hold.

Made-up sources are called `made.…`: their figures tell what a lever does to a text of its kind, not how often one comes.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from thriftgate.core.reduction.pieces import Piece, message_places, system_places

FILE_BYTES_MAX = 1_000_000
_OBSERVATION = "\n\n<returncode>"
_WORDS = re.findall(
    r"\w+",
    "customer order parcel late refund account invoice address delivery warehouse supplier contract price quarter region "
    "team report change request answer question service device battery screen cable colour size return policy",
)


class Message(Struct, frozen=True):
    """The pieces of one message of a source."""

    source: str
    pieces: tuple[Piece, ...]


def from_paths(paths: list[Path]) -> Iterator[Message]:
    """Each distinct message of the traces (`.jsonl.gz`), request bodies (`.json`) and text files under `paths`, once."""
    seen: set[tuple[Piece, ...]] = set()
    for path in paths:
        files = sorted(file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
        for file in files:
            for message in _read(file, path):
                if message.pieces and message.pieces not in seen:
                    seen.add(message.pieces)
                    yield message


def _read(file: Path, root: Path) -> Iterator[Message]:
    if file.name.endswith(".jsonl.gz"):
        yield from _trace(file)
        return
    if file.stat().st_size > FILE_BYTES_MAX:
        return
    try:
        text = file.read_text("utf-8")
        body = json.loads(text) if file.suffix == ".json" else None
    except (OSError, ValueError):
        return
    if isinstance(body, dict) and isinstance(body.get("messages"), list) and "model" in body:
        yield from _request(body, root.name)
    elif file.suffix in (".json", ".html", ".htm", ".md", ".txt", ".csv", ".rst"):
        yield Message(f"{root.name}{file.suffix}", (Piece("document", text),))


def _trace(file: Path) -> Iterator[Message]:
    """The longest prompts of each session. What a shell answered in them stands behind its return code."""
    source = file.name.split(".")[0]
    longest: dict[str, str] = {}
    for line in gzip.decompress(file.read_bytes()).splitlines():
        row: dict[str, Any] = json.loads(line)
        text, session = str(row.get("input", "")), str(row.get("session_id", ""))
        if len(text) > len(longest.get(session, "")):
            longest[session] = text
    for text in longest.values():
        first, *outputs = text.split(_OBSERVATION)
        yield Message(f"{source} prompts", (Piece("user", first),))
        yield from (Message(f"{source} shell", (Piece("tool_result", f"<returncode>{one}", "bash"),)) for one in outputs)


def _request(body: dict[str, Any], source: str) -> Iterator[Message]:
    """The system prompt and each message of a request, as the gateway reads them."""
    if "system" in body:
        yield Message(f"{source} system", tuple(place.piece for place in system_places(json.dumps(body["system"]).encode())))
    for message in body["messages"]:
        places = message_places(json.dumps(message).encode(), {})
        yield Message(f"{source} messages", tuple(place.piece for place in places))


def made_up(rng: random.Random, each: int) -> Iterator[Message]:
    """Answers of APIs, tables, pages, retrieved passages, mail, few-shot prompts."""
    for source, make in _KINDS.items():
        for _ in range(each):
            yield Message(f"made.{source}", make(rng))


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(6, 18))).capitalize() + "."


def _paragraph(rng: random.Random) -> str:
    return " ".join(_sentence(rng) for _ in range(rng.randrange(3, 7)))


def _row(rng: random.Random) -> dict[str, Any]:
    return {
        "order_id": rng.randrange(10**5, 10**6),
        "customer": f"{rng.choice(_WORDS).title()} {rng.choice(_WORDS).title()}",
        "sku": f"{rng.randrange(10**6):06}",
        "quantity": rng.randrange(1, 20),
        "price": round(rng.random() * 200, 2),
        "shipped": rng.random() < 0.7,
        "shipped_at": f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T08:{rng.randrange(60):02}:00Z",
        "note": rng.choice((None, None, _sentence(rng))),
    }


def _rows(rng: random.Random, indent: int | None) -> tuple[Piece, ...]:
    rows = [_row(rng) for _ in range(rng.randrange(5, 60))]
    return (Piece("tool_result", json.dumps({"total": len(rows), "orders": rows}, indent=indent), "list_orders"),)


def _nested(rng: random.Random) -> tuple[Piece, ...]:
    value = [
        {
            "id": rng.randrange(10**6),
            "customer": {"name": _sentence(rng)[:20], "tags": rng.choices(_WORDS, k=3)},
            "lines": [_row(rng)],
        }
        for _ in range(rng.randrange(3, 20))
    ]
    return (Piece("tool_result", json.dumps(value, indent=2), "get_orders"),)


def _page(rng: random.Random) -> tuple[Piece, ...]:
    cells = "".join(
        f'<tr class="row row-{at}"><td class="cell">{rng.choice(_WORDS)}</td><td>{rng.randrange(999)}</td></tr>\n'
        for at in range(rng.randrange(4, 20))
    )
    menu = "".join(f'<li class="menu-item"><a class="menu-link" href="/{word}">{word}</a></li>\n' for word in _WORDS[:8])
    body = "".join(
        f'<div class="block block--text"><h2 id="s{at}">{_sentence(rng)}</h2>\n'
        f'<p>{_paragraph(rng)} <a href="/more/{at}">More</a></p></div>\n'
        for at in range(rng.randrange(3, 10))
    )
    script = (
        f"<script>window.data = {json.dumps([_row(rng) for _ in range(4)])};</script><style>.row {{ padding: 0 }}</style>"
    )
    page = (
        f"<!DOCTYPE html><html><head><title>{_sentence(rng)}</title>{script}</head><body><nav><ul>{menu}</ul></nav>{body}"
        f'<table class="t"><thead><tr><th>Name</th><th>Count</th></tr></thead><tbody>{cells}</tbody></table></body></html>'
    )
    return (Piece("tool_result", page, "fetch"),)


def _passages(rng: random.Random) -> tuple[Piece, ...]:
    """Passages that overlap, each with the footer of its page, and a question."""
    paragraphs = [_paragraph(rng) for _ in range(12)]
    footer = (
        "We use cookies to improve your experience and to analyse our traffic.\n"
        "Powered by ExampleWiki\n© 2026 Example Ltd. All rights reserved."
    )
    cuts = sorted(rng.sample(range(10), 4))
    documents = [Piece("document", "  \n\n\n".join([*paragraphs[at : at + 3], footer])) for at in cuts]
    return (*documents, Piece("user", "What is said about the price of late parcels?"))


def _mail(rng: random.Random) -> tuple[Piece, ...]:
    tail = (
        "\n\n\nSent from my phone\r\n\r\nThis e-mail and any attachments are confidential and intended solely for the "
        "addressee. If you are not the intended recipient, please delete it.\r\n"
        "Please consider the environment before printing this e-mail.\r\n"
    )
    return (Piece("document", f"Dear team,\r\n\r\n{_paragraph(rng)}\r\n{tail}"), Piece("user", "What is asked for?"))


def _few_shot(rng: random.Random) -> tuple[Piece, ...]:
    pairs = [(_sentence(rng), rng.choice(("billing", "delivery", "other"))) for _ in range(rng.randrange(4, 14))]
    if rng.random() < 0.5:
        run = "\n".join(f"<example>\n<input>{one}</input>\n<output>{two}</output>\n</example>" for one, two in pairs)
    else:
        run = "\n\n".join(f"Input: {one}\nOutput: {two}" for one, two in pairs)
    return (Piece("system", f"Put each message into one of three classes.\n\n{run}\n\nAnswer with the class alone."),)


_KINDS: dict[str, Callable[[random.Random], tuple[Piece, ...]]] = {
    "table indented": lambda rng: _rows(rng, 2),
    "table default": lambda rng: _rows(rng, None),
    "nested indented": _nested,
    "page": _page,
    "passages": _passages,
    "mail": _mail,
    "few-shot": _few_shot,
}

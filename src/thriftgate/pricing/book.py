"""The compiled book as a file: one row a line, sorted, in USD per million tokens, so that a change reads in a diff."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from thriftgate.core.errors import ConfigError
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import GeoRow, PriceBook
from thriftgate.pricing.rows import RowText, in_order, rate_from_usd, row_from_text, text_from_row

DIGEST_LENGTH = 12


class Content(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides a bill."""

    web_search_usd: str
    aliases: dict[str, str]
    geos: tuple[GeoRow, ...]
    rows: tuple[RowText, ...]


class BookFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the id under which ledger entries name the book, and the content that the id's digest covers."""

    id: str
    content: Content


def digest(value: object) -> str:
    """Short digest of a value, stable over runs and platforms."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:DIGEST_LENGTH]


def file_from_book(book: PriceBook) -> BookFile:
    """A book as the file writes it; `book.id` is taken for the name of the library, the digest is added to it."""
    content = Content(
        usd_from_pico(book.web_search_pico),
        dict(sorted(book.aliases.items())),
        tuple(sorted(book.geos, key=lambda row: row.geo)),
        tuple(text_from_row(row) for row in in_order(list(book.rows))),
    )
    return BookFile(f"{book.id} + overlay {digest(content)}", content)


def book_from_file(file: BookFile) -> PriceBook:
    """The book. Raises ConfigError where the content does not match the digest in the id, or a row is wrong."""
    content = file.content
    if not file.id.endswith(f" + overlay {digest(content)}"):
        raise ConfigError("price book: the content does not match its id; run python -m thriftgate.pricing.compile")
    return PriceBook(
        file.id,
        tuple(row_from_text(row, f"price book: rows[{number}]") for number, row in enumerate(content.rows)),
        geos=content.geos,
        aliases=content.aliases,
        web_search_pico=rate_from_usd(content.web_search_usd, "price book: web_search_usd"),
    )


def encode_file(file: BookFile) -> bytes:
    """JSON with one row a line."""
    content = file.content
    encode = msgspec.json.encode
    rows = b",\n".join(b"      " + encode(row) for row in content.rows)
    geos = b",\n".join(b"      " + encode(row) for row in content.geos)
    return b"".join((
        b'{\n  "id": ', encode(file.id),
        b',\n  "content": {\n    "web_search_usd": ', encode(content.web_search_usd),
        b',\n    "aliases": ', encode(content.aliases),
        b',\n    "geos": [\n', geos, b'\n    ],\n    "rows": [\n', rows, b"\n    ]\n  }\n}\n",
    ))  # fmt: skip


def decode_file(data: bytes) -> BookFile:
    """The inverse of `encode_file`. Raises ConfigError for anything else."""
    try:
        return msgspec.json.decode(data, type=BookFile)
    except msgspec.DecodeError as error:
        raise ConfigError(f"price book: {error}") from None

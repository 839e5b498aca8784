"""`thriftgate count`: the tokens of a request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from thriftgate.cli.options import Json
from thriftgate.cli.output import print_json, print_table
from thriftgate.cli.reading import named, read_input
from thriftgate.core.errors import InputError
from thriftgate.counting import count_request
from thriftgate.pricing.load import load_models


class _Head(msgspec.Struct):
    model: str = ""


def count(
    file: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="File with a Messages request body (JSON); - reads standard input.")
    ],
    /,
    *,
    model: Annotated[str | None, Parameter(help="Count for this model instead of the one the request names.")] = None,
    text: Annotated[bool, Parameter(negative="", help="The file is plain text: count it as one user message.")] = False,
    json: Json = False,
) -> None:
    """Count the input tokens of a request, without a network.

    Prints the count, the range it almost surely lies in, and the method: ctok where it is installed (Python 3.12 or later),
    else an estimate. The count includes cached tokens and what the API adds by itself, such as the tool prompt.
    """
    body = read_input(file)
    if text:
        body = _as_request(body, file)
    chosen = model or _model_of(body, file)
    if not chosen:
        raise InputError(f"{named(file)} names no model; say which with --model")
    capability = load_models()[chosen]
    result = count_request(body, capability)
    document = {
        "tokens": result.tokens,
        "method": result.method,
        "low": result.low,
        "high": result.high,
        "model": chosen,
        "model_known": capability.known,
    }
    if json:
        print_json(document)
        return
    known = "" if capability.known else "  (not in the model table: counted like the newest models)"
    rows = [("tokens", f"{result.tokens:,}"), ("low", f"{result.low:,}"), ("high", f"{result.high:,}")]
    print_table(("", ""), [*rows, ("method", result.method), ("model", chosen + known)])


def _model_of(body: bytes, file: str) -> str:
    try:
        return msgspec.json.decode(body, type=_Head).model
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{named(file)} is no request body: {error} (for plain text add --text)") from None


def _as_request(body: bytes, file: str) -> bytes:
    try:
        content = body.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{named(file)} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    return msgspec.json.encode({"messages": [{"role": "user", "content": content}]})

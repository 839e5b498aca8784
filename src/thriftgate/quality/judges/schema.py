"""The judge `schema`: the answer is JSON that follows a schema. Needs the extra `thriftgate[eval]`.

Remote references are not followed: nothing is fetched.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.extract import json_in
from thriftgate.quality.judges.judge import RIGHT, Grade, expected_json, ungraded, wrong
from thriftgate.quality.rules import Schema

_SHOWN = 120


class SchemaJudge:
    """Holds answers against the rule's schema, or the item's."""

    def __init__(self, rule: Schema) -> None:
        self._rule = rule

    def check(self, item: Item) -> str:
        try:
            schema = self._schema(item)
        except ValueError as error:
            return f"expected: not JSON, which the judge schema reads its schema from: {error}"
        if not isinstance(schema, dict):
            return "no schema: give the judge schema one, or put it into expected or the request's output_config.format"
        return schema_trouble(schema)

    def grade(self, item: Item, answer: Answer) -> Grade:
        found = json_in(answer.shown)
        if found is None:
            return wrong("no JSON in the answer")
        try:
            offence = first_offence(found.value, self._schema(item))
        except _Unusable as error:
            return ungraded(f"schema: {error}")
        return wrong(offence) if offence else RIGHT

    def _schema(self, item: Item) -> Any:
        if self._rule.schema:
            return self._rule.schema
        return expected_json(item) if item.expected is not None else item.schema


class _Unusable(Exception):
    """The schema cannot be applied."""


def schema_trouble(schema: dict[str, Any]) -> str:
    """What is wrong with a schema itself; "" if nothing is. Raises InputError where there is no validator."""
    library = validators()
    try:
        library.validators.validator_for(schema, default=library.Draft202012Validator).check_schema(schema)
    except library.SchemaError as error:
        return f"the schema is not valid: {error.message[:_SHOWN]}"
    return ""


def first_offence(value: object, schema: dict[str, Any]) -> str:
    """Where a value does not follow a schema; "" if it does."""
    leads_nowhere = import_module("referencing").exceptions.Unresolvable
    try:
        error = next(_validator(msgspec.json.encode(schema)).iter_errors(value), None)
    except (leads_nowhere, RecursionError) as trouble:  # a reference to what is not there, or in a circle
        raise _Unusable(str(trouble)[:_SHOWN]) from None
    return f"{error.json_path}: {error.message[:_SHOWN]}" if error is not None else ""


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    library, referencing = validators(), import_module("referencing")
    document = msgspec.json.decode(schema)
    kind = library.validators.validator_for(document, default=library.Draft202012Validator)
    return kind(document, registry=referencing.Registry())


def validators() -> Any:
    """The library, once it is needed. Raises InputError where it is not installed."""
    try:
        return import_module("jsonschema")
    except ImportError:
        raise InputError("the judge schema needs one more library: pip install 'thriftgate[eval]'") from None

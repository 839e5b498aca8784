"""Which JSON schemas the provider can hold an answer to, and how much of its limits they use.

Source: platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations, schema complexity limits;
the same for `output_config.format` and strict tools), 2026-10; what a schema without type, `oneOf` and keywords beside
`$ref` come to: anthropic-sdk-python v2.12 `lib/_parse/_transform.py`, which takes them out before it sends. What is not on
the list of the page counts as refused. That a schema fits here does not rule out "Schema is too complex for compilation".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.core.models import Capabilities

STRICT_TOOLS_MAX, OPTIONAL_MAX, UNIONS_MAX = 20, 24, 16
"""Of one request: strict tools; parameters that are not required, and parameters with union types, over all its schemas."""
_SINCE = "2025-09"  # the 4.5 generation
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # fmt: skip
_SAID = frozenset({"title", "description", "default"})
_DEFINED = frozenset({"$defs", "definitions"})
_KEYWORDS = _SAID | _DEFINED | {"type", "enum", "const", "anyOf", "allOf", "$ref", "required", "properties"}
_KEYWORDS |= {"additionalProperties", "items", "format", "pattern", "minItems"}
_SHAPES = frozenset({"type", "enum", "const", "anyOf", "allOf", "$ref"})
_NO_REGEX = re.compile(r"\(\?[=!<]|\\[1-9bB]")
_REF = re.compile(r"#/(\$defs|definitions)/([^/]+)")


class Weight(Struct, frozen=True):
    """What a schema uses of the limits that hold for the whole request."""

    optional: int = 0
    unions: int = 0

    def plus(self, other: Weight) -> Weight:
        return Weight(self.optional + other.optional, self.unions + other.unions)

    def excess(self) -> str:
        """Which limit is passed, in words; "" where none is."""
        if self.optional > OPTIONAL_MAX:
            return f"{self.optional} parameters are not required, and {OPTIONAL_MAX} may be"
        if self.unions > UNIONS_MAX:
            return f"{self.unions} parameters have union types, and {UNIONS_MAX} may"
        return ""


def holds_to_schema(capability: Capabilities) -> bool:
    """Whether the model takes structured outputs and strict tools: the 4.5 generation and all that came later."""
    return capability.known and capability.launched >= _SINCE


def check_schema(raw: bytes) -> str:
    """What of a schema the provider would refuse, and where; "" where nothing is known to be."""
    trouble, weight = _read(raw)
    return trouble or weight.excess()


def weigh(raw: bytes) -> Weight:
    """What a schema uses of the request's limits; nothing where `check_schema` finds it wrong."""
    return _read(raw)[1]


@lru_cache(maxsize=256)
def _read(raw: bytes) -> tuple[str, Weight]:
    try:
        schema = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"it is not valid JSON: {error}", Weight()
    try:
        return "", _Walk(schema).of(schema, "$")
    except _Refused as refused:
        return str(refused), Weight()
    except RecursionError:
        return "it is nested too deeply", Weight()


class _Refused(Exception):
    """Where and why."""


class _Walk:
    """Goes through a schema once; a definition is weighed once and counted wherever it is used."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._weights: dict[str, Weight] = {}
        self._open: list[str] = []

    def of(self, schema: object, where: str) -> Weight:
        if not isinstance(schema, dict):
            raise _Refused(f"{where}: a schema must be an object")
        for keyword in schema:
            if keyword not in _KEYWORDS:
                hint = ", use anyOf" if keyword == "oneOf" else ""
                raise _Refused(f"{where}: {keyword} is not supported{hint}")
        if _SHAPES.isdisjoint(schema):
            raise _Refused(f"{where}: it needs a type, enum, const, anyOf, allOf or $ref")
        if "$ref" in schema:
            return self._referred(schema, where)
        weight = Weight(unions=int("anyOf" in schema or isinstance(schema.get("type"), list)))
        _check_values(schema, where)
        for keyword in ("anyOf", "allOf"):
            for at, one in enumerate(_listed(schema, keyword, where)):
                if keyword == "allOf" and isinstance(one, dict) and "$ref" in one:
                    raise _Refused(f"{where}.allOf: $ref is not supported in it")
                weight = weight.plus(self.of(one, f"{where}.{keyword}[{at}]"))
        if "object" in _types_of(schema):
            weight = weight.plus(self._object(schema, where))
        if "items" in schema:
            weight = weight.plus(self.of(schema["items"], f"{where}.items"))
        return weight

    def _object(self, schema: dict[str, Any], where: str) -> Weight:
        if schema.get("additionalProperties") is not False:
            raise _Refused(f"{where}: additionalProperties must be false")
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise _Refused(f"{where}: properties must be an object and required a list")
        missing = [name for name in required if name not in properties]
        if missing:
            raise _Refused(f"{where}: {missing[0]} is required but not among the properties")
        weight = Weight(optional=len(properties) - len(set(required)))
        for name, one in properties.items():
            weight = weight.plus(self.of(one, f"{where}.{name}"))
        return weight

    def _referred(self, schema: dict[str, Any], where: str) -> Weight:
        beside = schema.keys() - {"$ref"} - _DEFINED
        if beside:
            raise _Refused(f"{where}: {min(beside)} beside $ref is not supported")
        name = schema["$ref"]
        found = _REF.fullmatch(name) if isinstance(name, str) else None
        definitions = self._root.get(found[1]) if found and isinstance(self._root, dict) else None
        if found is None or not isinstance(definitions, dict) or found[2] not in definitions:
            raise _Refused(f"{where}: $ref must name one of the schema's own $defs")
        if name in self._open:
            raise _Refused(f"{where}: recursive schemas are not supported")
        if name not in self._weights:
            self._open.append(name)
            self._weights[name] = self.of(definitions[found[2]], where)
            self._open.pop()
        return self._weights[name]


def _types_of(schema: dict[str, Any]) -> list[Any]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _listed(schema: dict[str, Any], keyword: str, where: str) -> list[Any]:
    found = schema.get(keyword, [])
    if not isinstance(found, list) or (keyword in schema and not found):
        raise _Refused(f"{where}: {keyword} must be a list with something in it")
    return found


def _check_values(schema: dict[str, Any], where: str) -> None:
    """Everything that one schema says of its own value, without those inside of it."""
    for kind in _types_of(schema):
        if not isinstance(kind, str) or kind not in _TYPES:
            raise _Refused(f"{where}: there is no type {kind}")
    for value in (*_listed(schema, "enum", where), schema.get("const")):
        if isinstance(value, (dict, list)):
            raise _Refused(f"{where}: enum and const take strings, numbers, booleans and null only")
    if schema.get("minItems", 0) not in (0, 1):
        raise _Refused(f"{where}: minItems may be 0 or 1")
    if "format" in schema and schema["format"] not in _FORMATS:
        raise _Refused(f"{where}: format {schema['format']} is not supported")
    pattern = schema.get("pattern", "")
    if not isinstance(pattern, str) or _NO_REGEX.search(pattern):
        raise _Refused(f"{where}: pattern takes no look-around, back-references or word boundaries")

"""A value that fits a JSON schema: tool inputs and structured outputs of the simulated model.

Covers type, enum, const, default, examples, properties, required, items, prefixItems, anyOf/oneOf/allOf, $ref into
$defs, the size and range keywords and the common string formats. `pattern` and `not` are not evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thriftgate.simulator.draws import below, pick

MAX_DEPTH = 12
FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T12:00:00Z",
    "time": "12:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
BY_NAME = (
    ("path", "/tmp/simulated.txt"),  # noqa: S108  a text in an answer, no file is opened
    ("command", "echo simulated"),
    ("url", "https://example.com/simulated"),
    ("query", "simulated query"),
    ("pattern", "simulated"),
    ("email", "simulated@example.com"),
    ("date", "2026-11-21"),
)


def instance(schema: object, chance: object, words: tuple[str, ...] = ()) -> Any:
    """A value valid against `schema`. `chance` seeds the choices, `words` (from the prompt) fill free texts."""
    root = schema if isinstance(schema, dict) else {}
    return _Builder(root, words).build(root, (chance,))


@dataclass(frozen=True, slots=True)
class _Builder:
    """One document: where $ref points into, and the words for free texts."""

    root: dict[str, Any]
    words: tuple[str, ...]

    def build(  # noqa: PLR0911  one return per kind of schema
        self, schema: object, chance: tuple[object, ...], name: str = "", depth: int = 0
    ) -> Any:
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return "simulated" if schema is True or isinstance(schema, dict) else None
        schema = _resolved(schema, self.root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return pick(schema["enum"], *chance, name, "enum")
        branch = _first_branch(schema)
        if branch is not None:
            return self.build(branch, chance, name, depth + 1)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, chance, depth)
        if kind == "array":
            return self._array(schema, chance, name, depth)
        if kind in {"integer", "number"}:
            return _number(schema, chance, name, whole=kind == "integer")
        if kind == "boolean":
            return bool(below(2, *chance, name, "boolean"))
        return None if kind == "null" else _text(schema, chance, name, self.words)

    def _object(self, schema: dict[str, Any], chance: tuple[object, ...], depth: int) -> dict[str, Any]:
        """All required members; where none is required at the top, every second optional one."""
        properties: dict[str, Any] = schema.get("properties") or {}
        required = list(schema.get("required") or [])
        value: dict[str, Any] = {}
        for key, part in properties.items():
            if key in required or (depth == 0 and not required and below(2, *chance, key, "optional") == 0):
                value[key] = self.build(part, (*chance, key), key, depth + 1)
        for key in required:
            if key not in value:
                value[key] = self.build(properties.get(key, {}), (*chance, key), key, depth + 1)
        return value

    def _array(self, schema: dict[str, Any], chance: tuple[object, ...], name: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems") or []
        least = max(int(schema.get("minItems", 0)), len(fixed), 0 if schema.get("maxItems") == 0 else 1)
        items = []
        for index in range(least):
            part = fixed[index] if index < len(fixed) else schema.get("items", {"type": "string"})
            value = self.build(part, (*chance, index), name, depth + 1)
            again = schema.get("uniqueItems") and isinstance(value, str) and index
            items.append(f"{value} {index + 1}" if again else value)
        return items


def _first_branch(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with its first anyOf or oneOf option that is more than null."""
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key) or []:
            if isinstance(option, dict) and option.get("type") != "null":
                return {name: value for name, value in schema.items() if name != key} | option
    return None


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((option for option in kind if option != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else ("array" if "items" in schema else "string")


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema with $ref followed (inside the document) and allOf merged."""
    for _ in range(MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        target: Any = root
        for part in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(part, {}) if part and isinstance(target, dict) else target
        schema = {key: value for key, value in schema.items() if key != "$ref"} | (
            target if isinstance(target, dict) else {}
        )
    for part in schema.get("allOf") or []:
        whole = _resolved(part, root) if isinstance(part, dict) else {}
        schema = {
            **schema,
            **whole,
            "properties": {**schema.get("properties", {}), **whole.get("properties", {})},
            "required": [*schema.get("required", []), *whole.get("required", [])],
        }
    return schema


def _number(schema: dict[str, Any], chance: tuple[object, ...], name: str, *, whole: bool) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1)
    start = low if low is not None else (min(1, high) if high is not None else 1)
    if "exclusiveMinimum" in schema and "minimum" not in schema:
        start = start + step
    start = -(-start // step) * step
    span = 9 if high is None else max(0, int((high - start) // step) - ("exclusiveMaximum" in schema))
    value = start + below(min(span, 9) + 1, *chance, name, "number") * step
    return int(value) if whole else float(value)


def _text(schema: dict[str, Any], chance: tuple[object, ...], name: str, words: tuple[str, ...]) -> str:
    text = FORMATS.get(str(schema.get("format")), "")
    if not text:
        text = next((value for part, value in BY_NAME if part in name.lower()), "")
    if not text:
        text = pick(words, *chance, name, "word") if words else f"simulated {name}".strip()
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    text = text.ljust(least, "x")
    return text[:most] if isinstance(most, int) else text

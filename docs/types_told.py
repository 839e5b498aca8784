"""The types and defaults of settings, in words."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docs.meanings import SIZES
from pydantic import BaseModel, SecretStr


def item_of(kind: Any) -> type[BaseModel] | None:
    """The table that a setting is a list of."""
    item = get_args(kind)[0] if get_origin(kind) in (tuple, list) else None
    return item if isinstance(item, type) and issubclass(item, BaseModel) else None


def table_of(kind: Any) -> type[BaseModel] | None:
    """The table that a setting is."""
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def type_text(kind: Any) -> str:
    """A setting's type in words."""
    if get_origin(kind) is Annotated:
        return type_text(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType) and type(None) not in get_args(kind):
        return " or ".join(type_text(one) for one in get_args(kind))
    if item_of(kind) is not None:
        return "list of tables"
    if get_origin(kind) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(kind))
    if get_origin(kind) in (tuple, list, dict):
        return "table of texts" if get_origin(kind) is dict else "list of texts"
    inner = [one for one in get_args(kind) if one is not type(None)]
    names = {str: "text", SecretStr: "text", int: "whole number", float: "number", Decimal: "amount", bool: "yes or no"}
    return names[inner[0] if inner else kind]


def default_text(value: object) -> str:
    if isinstance(value, SecretStr) or value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def field_rows(kind: type[Any]) -> list[tuple[str, str, str]]:
    """The fields of a dataclass: name, default, and the docstring behind each, or what the table here says."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    told = dict(SIZES)
    for one, after in itertools.pairwise(tree.body):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(after, ast.Expr):
            told[one.target.id] = " ".join(ast.literal_eval(after.value).split())
    defaults = kind()
    return [
        (f"`{field.name}`", f"`{_plain(getattr(defaults, field.name))}`", told[field.name])
        for field in dataclasses.fields(kind)
    ]


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)

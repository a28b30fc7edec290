"""Checks a value against a JSON Schema; the few keywords that `audit_schema` uses, without a package to import.

The gate reads every run through this check and has to start in a fraction of a second.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
"""Type of JSON Schema -> the very types of `json.loads`: to Python a bool is an integer, to JSON it is not."""

KEYWORDS = frozenset({
    "type", "enum", "pattern", "minLength", "minimum", "maximum", "minItems", "maxItems", "items",
    "properties", "required", "additionalProperties", "propertyNames",
})  # fmt: skip
"""Keywords that are checked; words about a value ("title", "description", "$schema") are not looked at."""

_SHOWN = 60
"""Most characters of a wrong value that a sentence quotes."""


def mismatch(value: Any, schema: Mapping[str, Any], at: str = "") -> str:
    """What is wrong with a value, and where; "" where it fits the schema.

    Args:
        value: a value as `json.loads` gives it.
        schema: JSON Schema (draft 2020-12) made of KEYWORDS.
        at: place of the value, for the text.
    """
    kinds, its = schema.get("type"), type(value)
    if kinds is not None and its not in _types_of(kinds if type(kinds) is str else tuple(kinds)):
        wanted = kinds if isinstance(kinds, str) else " or ".join(kinds)
        return f"{_named(at)} must be of type {wanted}, not {_quoted(value)}"
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        return f"{_named(at)} must be one of {', '.join(map(str, schema['enum']))}, not {_quoted(value)}"
    if its is str:
        return _wrong_text(value, schema, at)
    if its is dict:
        return _wrong_object(value, schema, at)
    if its is list:
        return _wrong_list(value, schema, at)
    if its is int or its is float:
        low, high = schema.get("minimum"), schema.get("maximum")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            limits = f"{low} or more" if high is None else f"{high} or less" if low is None else f"in {low}..{high}"
            return f"{_named(at)} must be {limits}, not {_quoted(value)}"
    return ""


@functools.cache
def _types_of(kinds: str | tuple[str, ...]) -> frozenset[type]:
    return frozenset(one for kind in ((kinds,) if isinstance(kinds, str) else kinds) for one in _TYPES[kind])


def _wrong_text(value: str, schema: Mapping[str, Any], at: str) -> str:
    if len(value) < schema.get("minLength", 0):
        return f"{_named(at)} must not be empty"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{_named(at)} must match {schema['pattern']}, not {_quoted(value)}"
    return ""


def _wrong_object(value: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> str:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        return f"{_named(at)} lacks {missing[0]!r}"
    names = schema.get("propertyNames")
    for name, item in value.items():
        if names is not None and (wrong := mismatch(name, names, f"a key of {_named(at)}")):
            return wrong
        if name not in known and others is False:
            return f"{_inside(at, name)} is not known"
        wanted = known.get(name, others)
        if wanted is not True and mismatch(item, wanted):  # the place is put into words for what is wrong alone
            return mismatch(item, wanted, _inside(at, name))
    return ""


def _inside(at: str, name: str) -> str:
    return f"{at}.{name[:_SHOWN]}" if at else name[:_SHOWN]


def _wrong_list(value: Sequence[Any], schema: Mapping[str, Any], at: str) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if not low <= len(value) <= high:
        return f"{_named(at)} must have {low} to {high} entries, not {len(value)}"
    if "items" in schema:
        for i, item in enumerate(value):
            if mismatch(item, schema["items"]):
                return mismatch(item, schema["items"], f"{at}[{i}]")
    return ""


def _named(at: str) -> str:
    return at or "the file"


def _quoted(value: Any) -> str:
    """A wrong value, cut short; an integer of thousands of digits cannot even be written down."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "a value that is too large to show"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

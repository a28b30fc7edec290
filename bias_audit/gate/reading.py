"""Reads a TOML file so that every error names the line and, where there is one, a close name."""

from __future__ import annotations

import datetime
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError
from bias_audit.files.text import parse_toml, read_text
from bias_audit.gate.states import STATES
from bias_audit.gate.toml_lines import Places, places
from bias_audit.review.written import visible

Where = tuple[str | int, ...]
"""Path of a key in a file, such as ("metric", 0, "max")."""


@dataclass(frozen=True)
class TomlFile:
    """A file that was read as valid TOML, with methods that check its values.

    The methods that check return the value, or raise ConfigError with the line of the key `where`.

    Attributes:
        source: path as given, for error sentences.
        content: content of the file as tomllib reads it.
        places: line of every key.
    """

    source: str
    content: Mapping[str, Any]
    places: Places

    def line(self, where: Where) -> int:
        """Line of a key, or of the nearest table around a key that is missing; 0 where there is neither."""
        return self.places.line(*where)

    def error(self, where: Where, message: str, hint: str = "") -> ConfigError:
        """A ConfigError about a key, to be raised by the caller."""
        line = self.line(where)
        return ConfigError(f"{self.source}, line {line}: {message}" if line else f"{self.source}: {message}", hint)

    def table(self, where: Where, value: Any) -> Mapping[str, Any]:
        """The value as a table; ConfigError for anything else."""
        if not isinstance(value, dict):
            raise self.error(where, f"{named(where)} must be a table, got {value!r}", f"Write [{where[-1]}].")
        return value

    def tables(self, where: Where, value: Any) -> Sequence[Mapping[str, Any]]:
        """The value as an array of tables; ConfigError for anything else."""
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            hint = f"Write [[{where[-1]}]], once per entry."
            raise self.error(where, f"{named(where)} must be tables, got {value!r}", hint)
        return value

    def number(self, where: Where, value: Any, low: float, high: float, *, share: bool = False) -> float:
        """The value as a finite number in low..high, else ConfigError; with `share` the hint explains percentages."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = "Write it without quotes, for instance 0.1."
            raise self.error(where, f"{named(where)} must be a number, got {value!r}", hint)
        if not low <= value <= high or math.isinf(value):  # nan fails the comparison
            wanted = f"lie in {low:g}..{high:g}" if math.isfinite(high) else f"be {low:g} or more, and finite"
            if math.isinf(low):
                wanted = "be finite"
            hint = f"Write a share: {value / 100:g} for {value:g}%." if share and 1 < value <= 100 else ""
            raise self.error(where, f"{named(where)} must {wanted}, got {value!r}", hint)
        return float(value)

    def count(self, where: Where, value: Any, low: int = 0) -> int:
        """The value as a whole number of at least `low`; ConfigError for anything else."""
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            message = f"{named(where)} must be a whole number of {low} or more, got {value!r}"
            raise self.error(where, message, "Write it without quotes, for instance 20.")
        return value

    def switch(self, where: Where, value: Any) -> bool:
        """The value as a bool; ConfigError for anything else."""
        if not isinstance(value, bool):
            raise self.error(where, f"{named(where)} must be true or false, got {value!r}", "Write it without quotes.")
        return value

    def choice(self, where: Where, value: Any, allowed: Sequence[str]) -> str:
        """The value, if it is one of `allowed`; else ConfigError with the closest of these."""
        if value not in allowed:
            wanted = ", ".join(f'"{name}"' for name in allowed)
            hint = close_to(str(value), allowed)
            raise self.error(where, f"{named(where)} must be one of {wanted}, got {value!r}", hint)
        return str(value)

    def text(self, where: Where, value: Any) -> str:
        """The value as text of which something can be seen; ConfigError for anything else."""
        if not isinstance(value, str) or not visible(value):
            raise self.error(where, f"{named(where)} must be text, got {value!r}", "Write it in quotes.")
        return value

    def texts(self, where: Where, value: Any) -> tuple[str, ...]:
        """The value as a list of such texts; ConfigError for anything else."""
        if not isinstance(value, list):
            raise self.error(where, f"{named(where)} must be a list of texts, got {value!r}", 'Write ["...", "..."].')
        return tuple(self.text((*where, i), one) for i, one in enumerate(value))

    def day(self, where: Where, value: Any) -> datetime.date:
        """The value as a date, written bare or in quotes; ConfigError for anything else."""
        if isinstance(value, str):
            try:
                return datetime.date.fromisoformat(value)
            except ValueError:
                pass
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            raise self.error(where, f"{named(where)} must be a date, got {value!r}", "Write it as 2027-01-31.")
        return value

    def known(self, where: Where, given: Mapping[str, Any], allowed: Sequence[str], homes: str = "") -> None:
        """Raise ConfigError for the first key of a table that is not in `allowed`; `homes` replaces the usual hint."""
        for name in given:
            if name not in allowed:
                place = f"in {named(where)}" if where else "at the top level"
                hint = homes or close_to(name, allowed) or f"Known keys: {', '.join(allowed)}."
                raise self.error((*where, name), f"unknown key {name!r} {place}", hint)


def read_toml(path: Path) -> TomlFile:
    """Read a gate file.

    Raises:
        ConfigError: the file is unreadable, not UTF-8, or not TOML (with the line).
    """
    hint = 'Without a file the gate uses its defaults. It is UTF-8 text, a line for instance: class = "SUSPICIOUS".'
    text = read_text(path, ConfigError, "the gate file", hint=hint, must_exist=True) or ""
    content = parse_toml(text, ConfigError, f"the gate file {str(path)!r} is", hint=hint)
    return TomlFile(str(path), content, places(text))


def read_states(file: TomlFile, where: Where, value: Any) -> tuple[str, ...]:
    """Read a list of allowed states, each alone or as "STATE: NAME".

    Raises:
        ConfigError: the value is no list of texts, or one of them begins with no state.
    """
    given = file.texts(where, value)
    for i, text in enumerate(given):
        if text.partition(": ")[0] not in STATES:
            known = ", ".join(f'"{state}"' for state in STATES)
            hint = close_to(text.partition(":")[0], tuple(STATES)) or f"States are {known}."
            raise file.error((*where, i), f"allow holds {text!r}, which is no state", hint)
    return given


def named(where: Where) -> str:
    """Name of a key as a person would write it: "[class] min_accuracy", "[[metric]] max"."""
    if not where:
        return "the file"
    head, *rest = where
    tables = [str(head)]
    many = bool(rest) and isinstance(rest[0], int)
    rest = rest[1:] if many else rest
    if not rest and not many:
        return f"[{head}]"
    tables += [str(part) for part in rest[:-1]]
    inside = ".".join(tables)
    key = str(rest[-1]) if rest else ""
    return f"[[{inside}]] {key}".strip() if many else f"[{inside}] {key}"


def close_to(name: str, allowed: Sequence[str]) -> str:
    """A hint that names the closest of the allowed names, ignoring case; "" where none is close."""
    folded = {one.casefold(): one for one in allowed}
    close = difflib.get_close_matches(name.casefold(), folded, 1)
    return f"Did you mean {folded[close[0]]!r}?" if close else ""

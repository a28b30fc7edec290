"""gate.toml: which thresholds there are, what they default to and why, and reading them.

A threshold turns a number of a finished run into pass or fail; none of them reruns a model.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError
from bias_audit.result import LEVELS

NO_LEVEL = "none"
"""`fail_on = "none"`: findings of this scope are shown elsewhere and never fail the gate."""

Value = str | float | bool | None


@dataclass(frozen=True)
class Key:
    """One key of gate.toml.

    Attributes:
        table: "dataset", "class" or "image".
        name: key; max_* bounds from above, min_* from below, the bound itself is allowed.
        kind: "level" (one of LEVELS or "none"), "share" (0..1), "excess" (0 or more) or "switch" (true, false).
        default: value without the key; None = not checked.
        text: what it does.
        reason: why this default.
        label: the measured quantity in words, for kinds "share" and "excess".
        columns: of the class table: value, interval low, interval high, reason when missing ("" = there is none).
    """

    table: str
    name: str
    kind: str
    default: Value
    text: str
    reason: str
    label: str = ""
    columns: tuple[str, str, str, str] = ("", "", "", "")


KEYS: tuple[Key, ...] = (
    Key(
        "dataset", "fail_on", "level", "SUSPICIOUS",
        "lowest level of a data-set finding (any scope but class and image) that fails the gate",
        "WATCH is triage, not evidence; from SUSPICIOUS on a paired intervention stands behind a finding",
    ),
    Key(
        "dataset", "min_accuracy", "share", None,
        "lowest share of the read images that must be predicted right",
        "how good is good enough depends on the use; this gate judges bias, not skill",
        "accuracy on all read images",
    ),
    Key(
        "dataset", "max_unreadable_share", "share", 0.05,
        "largest share of the images that may be unreadable or skipped",
        "beyond, the verdict is about another data set than the one that was given",
        "share of images unreadable or skipped",
    ),
    Key(
        "dataset", "max_without_mask_share", "share", None,
        "largest share of the read images that may be without a usable mask",
        "boxes for a part of the images, or no masks at all, are legitimate; rows then say what was not judged",
        "share of images without a mask",
    ),
    Key(
        "dataset", "require_judged", "switch", False,
        "true: any check of any scope that could not be judged fails the gate",
        "small classes and photos without masks are common; the rows name them, and a team can insist",
    ),
    Key(
        "class", "fail_on", "level", "SUSPICIOUS",
        "lowest level of a class finding that fails the gate",
        "an effect that is significant after correction and large enough to matter; attention alone stays WATCH",
    ),
    Key(
        "class", "min_accuracy", "share", None,
        "lowest recall of every class on the images as they are",
        "depends on the use; accuracy does not reveal a shortcut",
        "accuracy", ("accuracy", "accuracy_low", "accuracy_high", ""),
    ),
    Key(
        "class", "max_background_gap", "share", None,
        "largest drop of accuracy from same-class to other-class backgrounds",
        "the reliance rule judges it already, with test and effect floor; a bound suits a team that knows its own",
        "background gap", ("background_gap", "gap_low", "gap_high", "reliance_reason"),
    ),
    Key(
        "class", "max_background_excess", "excess", None,
        "largest mean background excess of the heatmaps (1 = no better than a uniform map)",
        "an absolute rule on attention convicts clean models; bound it only against a model you trust",
        "background excess", ("background_excess", "excess_low", "excess_high", "attention_reason"),
    ),
    Key(
        "class", "max_background_only_accuracy", "share", None,
        "largest share of photos still predicted right with the object removed",
        "chance is 1 / number of classes, so no bound suits every model",
        "background-only accuracy",
        ("background_only_accuracy", "background_only_low", "background_only_high", "reliance_reason"),
    ),
    Key(
        "class", "min_other_background_accuracy", "share", None,
        "lowest accuracy on backgrounds of other classes",
        "includes the cost of pasting, which differs from model to model",
        "accuracy on other-class backgrounds",
        ("other_background_accuracy", "other_low", "other_high", "reliance_reason"),
    ),
    Key(
        "image", "fail_on", "level", NO_LEVEL,
        "lowest level of an image finding that fails the gate",
        "image rules are WATCH: each says that a photo is worth a look, not that the model is wrong",
    ),
    Key(
        "image", "max_flagged_share", "share", None,
        "largest share of a class's intervened photos whose prediction rests on the background",
        "single photos do so in good models as well; the class rules say when it is many",
        "share of photos that rest on their background", ("", "", "", "reliance_reason"),
    ),
)  # fmt: skip
"""Every key of gate.toml: the one source of reading, judging and `example`."""

TABLES = tuple(dict.fromkeys(key.table for key in KEYS))
_BY_NAME = {(key.table, key.name): key for key in KEYS}


@dataclass(frozen=True)
class GateConfig:
    """The thresholds of a gate.

    Attributes:
        values: "table.key" -> value, for every key of KEYS; None = not checked.
        source: the file they come from, None for the defaults.
    """

    values: Mapping[str, Value]
    source: str | None = None

    def level(self, table: str) -> str:
        """`fail_on` of a table: one of LEVELS, or NO_LEVEL."""
        return str(self.values[f"{table}.fail_on"])

    def bound(self, key: Key) -> float | None:
        """A numeric threshold, None if it is not checked."""
        value = self.values[f"{key.table}.{key.name}"]
        return None if value is None else float(value)

    @property
    def require_judged(self) -> bool:
        """Whether a check that could not be judged fails the gate."""
        return bool(self.values["dataset.require_judged"])


def read_gate(path: str | Path | None) -> GateConfig:
    """Read a gate.toml over the defaults; None gives the defaults.

    Raises:
        ConfigError: unreadable file, invalid TOML (with its line), unknown table or key, wrong type, value out of
            range.
    """
    values = {f"{key.table}.{key.name}": key.default for key in KEYS}
    if path is None:
        return GateConfig(values)
    source = str(path)
    for table, content in _parse(Path(path), source).items():
        if table not in TABLES:
            raise ConfigError(f"{source}: unknown table or key {table!r} at the top level", _table_hint(table))
        if not isinstance(content, dict):
            raise ConfigError(f"{source}: {table} must be a table, got {content!r}", f"Write [{table}].")
        for name, value in content.items():
            if (table, name) not in _BY_NAME:
                raise ConfigError(f"{source} [{table}]: unknown key {name!r}", _key_hint(table, name))
            values[f"{table}.{name}"] = _checked(_BY_NAME[table, name], value, f"{source} [{table}] {name}")
    return GateConfig(values, source)


def example() -> str:
    """A gate.toml that says what every key does and why its default is what it is; as it stands, the defaults."""
    lines = ["# Thresholds of `bias-audit gate`. A key that is left out has the default shown here."]
    for table in TABLES:
        lines += ["", f"[{table}]"]
        for key in KEYS:
            if key.table != table:
                continue
            lines += [f"# {key.text}", f"# default: {key.reason}"]
            if key.default is None:
                lines.append(f"# {key.name} = 0.9" if key.name.startswith("min_") else f"# {key.name} = 0.1")
            else:
                lines.append(f"{key.name} = {json.dumps(key.default)}")
    return "\n".join(lines) + "\n"


def _parse(path: Path, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        hint = "Without a file the gate uses its defaults."
        raise ConfigError(f"cannot read the gate file {source!r}: {error.strerror or error}", hint) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the gate file {source!r} is not UTF-8 text: {error.reason}", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        hint = 'A line reads for instance: fail_on = "SUSPICIOUS".'
        raise ConfigError(f"the gate file {source!r} is not valid TOML: {error}", hint) from error


def _table_hint(name: str) -> str:
    if homes := [f"[{key.table}]" for key in KEYS if key.name == name]:
        return f"{name} belongs under {' or '.join(homes)}."
    close = difflib.get_close_matches(name, TABLES, 1)
    return f"Did you mean [{close[0]}]?" if close else f"Known tables: {', '.join(f'[{table}]' for table in TABLES)}."


def _key_hint(table: str, name: str) -> str:
    if homes := [f"[{key.table}]" for key in KEYS if key.name == name]:
        return f"{name} belongs under {' or '.join(homes)}."
    known = [key.name for key in KEYS if key.table == table]
    close = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(known)}."


def _checked(key: Key, value: Any, where: str) -> Value:
    """The value of a key, or ConfigError with what was expected."""
    if key.kind == "level":
        allowed = (*LEVELS, NO_LEVEL)
        if value not in allowed:
            close = difflib.get_close_matches(str(value).upper(), [name.upper() for name in allowed], 1)
            hints = [f"Did you mean {name!r}?" for name in allowed if close and name.upper() == close[0]]
            wanted = ", ".join(f'"{name}"' for name in allowed)
            raise ConfigError(f"{where} must be one of {wanted}, got {value!r}", "".join(hints))
        return str(value)
    if key.kind == "switch":
        if not isinstance(value, bool):
            raise ConfigError(f"{where} must be true or false, got {value!r}", "Write it without quotes.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where} must be a number, got {value!r}", "Write it without quotes, for instance 0.1.")
    highest = 1.0 if key.kind == "share" else math.inf
    if not 0 <= value <= highest or math.isinf(value):  # nan fails the comparison
        wanted = "lie in 0..1" if key.kind == "share" else "be 0 or more, and finite"
        hint = f"Write a share: {value / 100:g} for {value:g} %." if key.kind == "share" and 1 < value <= 100 else ""
        raise ConfigError(f"{where} must {wanted}, got {value!r}", hint)
    return float(value)

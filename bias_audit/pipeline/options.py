"""Options of `audit` by name (`AuditOptions`), typed for editors and type checkers, and where each of them goes.

`tests/pipeline/test_options.py` compares them with `AuditConfig` and `SourceOptions`, whose fields they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypedDict

from bias_audit.checks import registry
from bias_audit.data.sources.options import NAMES as SOURCE_OPTIONS
from bias_audit.errors import ConfigError
from bias_audit.limits.bounds import Limits


class AuditOptions(TypedDict, total=False):
    """Single settings of an audit: fields of `AuditConfig`, which says what they mean, and of `SourceOptions`.

    `extra` holds settings of checks of other packages, name -> whole number. These are taken by their names as well,
    which a type checker cannot know.
    """

    layer: str
    method: str
    loader: str | None
    pixel_range: str | None
    preprocess: str
    resize: str
    interpolation: str
    decoder: str
    image_size: tuple[int, int] | None
    batch_size: int | None
    interventions: int
    discovery: int
    probes: int
    leakage: int
    donors: int
    thorough: bool
    measured: tuple[str, ...]
    seed: int
    group_by: str | None
    mask_foreground: tuple[int, ...] | None
    mask_ignore: int | None
    segmenter: str | None
    head: str | None
    output: str | None
    torch: str | None
    custom_objects: str | None
    limits: Limits | Mapping[str, float]
    extra: Mapping[str, int]

    # Of `SourceOptions`: how the data are read.
    split: str | None
    sample: int | None
    images: str | None
    objects: str
    object_size: int


def set_apart(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of `SourceOptions`, all else) among options by name."""
    how = {name: value for name, value in options.items() if name in SOURCE_OPTIONS}
    return how, {name: value for name, value in options.items() if name not in how}


def sorted_out(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
    """Sort options by where they go.

    Returns:
        (fields of AuditConfig, which may hold names that are none; fields of SourceOptions; settings of checks of other
        packages).

    Raises:
        ConfigError: `extra` holds a setting that no installed check has.
    """
    others = registry.settings_of_others()
    extra = options.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise ConfigError(f"extra is a mapping, name -> whole number, got {type(extra).__name__}")
    if unknown := [str(name) for name in extra if name not in others]:
        close = difflib.get_close_matches(unknown[0], others, 1)
        known = f"Installed checks have {', '.join(others)}." if others else "No check of another package is installed."
        hint = f"Did you mean {close[0]!r}?" if close else known
        raise ConfigError(f"extra holds {unknown[0]!r}, a setting of no installed check", hint)
    how, rest = set_apart(options)
    of_checks = {name: value for name, value in rest.items() if name in others}
    fields = {name: value for name, value in rest.items() if name not in {*of_checks, "extra"}}
    return fields, how, {**of_checks, **extra}

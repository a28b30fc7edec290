"""Limits on what a picture, a table or a model may cost (`Limits`): names, defaults, and the sentences that name them.

Each is raised in one way: --limit NAME=NUMBER on the command line, a table [limits] in the configuration, or
`limits={...}` in Python. A limit of a run never comes from the run's own folder, which may be somebody else's.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bias_audit.errors import ConfigError

_UNITS = {"pixels": "pixels", "columns": "columns", "remote_files": "files", "shards": "files"}
"""Limit -> what it counts, where that is neither bytes nor seconds."""

_SECONDS = ("seconds_per_call", "seconds_per_fetch")


@dataclass(frozen=True)
class Limits:
    """Most that a file may cost; a value that is not allowed raises ConfigError.

    Attributes:
        pixels: of one picture or mask, as its header says, and after padding or enlarging. Photos of phones have 2e7 to
            2e8; decoding takes some 16 bytes for each. The only limit that changes numbers: which photos are read.
        weights_bytes: of a model's weights, unpacked; the largest networks of `keras.applications` have 1.4e9.
        archive_bytes: of any other part of a model file, unpacked: configuration, graph, vocabulary.
        annotation_bytes: of a file of annotations, which takes two to three times as much memory. COCO's own have 5e8.
        member_bytes: of a photo, a mask or a table in an archive or a Parquet file, unpacked; a photo of 1e8 pixels
            without compression has 3e8.
        batch_bytes: of what one batch holds in memory; None = half of the memory of the machine or its container.
        columns: of a table of the user. Each costs a test per class, and none of a real table reached 200.
        fetched_bytes: of one file that is fetched from elsewhere.
        cache_bytes: of what was fetched and is kept on this disk, for all data sets together.
        remote_files: that the listing of a data set elsewhere may hold.
        shards: files that a pattern in braces may name.
        seconds_per_fetch: for one try to fetch a file.
        seconds_per_call: for one call of the model, the first with its loading and tracing; the command ends after it.
    """

    pixels: int = 100_000_000
    weights_bytes: int = 4_000_000_000
    archive_bytes: int = 100_000_000
    annotation_bytes: int = 2_000_000_000
    member_bytes: int = 500_000_000
    batch_bytes: int | None = None
    columns: int = 1_000
    fetched_bytes: int = 1_000_000_000
    cache_bytes: int = 10_000_000_000
    remote_files: int = 2_000_000
    shards: int = 10_000
    seconds_per_fetch: float = 60
    seconds_per_call: float = 600

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            least = 0 if field.name in _SECONDS else 1
            number = isinstance(value, int | float) and not isinstance(value, bool)
            # An integer of thousands of digits is no float, and infinity would be no limit.
            if not number or not 0 < value < 1e18 or value < least or not math.isfinite(value):
                wanted = "a number of at least 1" if least else "a number above 0"
                raise ConfigError(
                    f"the limit {field.name} takes {wanted}, got {_short(value)}",
                    f"For instance {flag(field.name, getattr(Limits, field.name) or 8e9)}.",
                )
            if least:
                object.__setattr__(self, field.name, int(value))

    @classmethod
    def of(cls, given: Limits | Mapping[str, Any] | None) -> Limits:
        """The defaults, changed where `given` names a limit.

        Raises:
            ConfigError: an unknown name, or a value that is no number above 0.
        """
        if isinstance(given, Limits):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f"limits are given as name -> number, got {_short(given)}", f"Limits: {_names()}.")
        for name in given or {}:
            known(name)
        return cls(**(given or {}))

    def changed(self) -> dict[str, float]:
        """Name -> value of each limit that is not the default."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    def note(self) -> str:
        """Sentence for the reader of a result about limits that are not the defaults; "" where there are none."""
        said = [f"{name} {value:z,.12g} instead of {_default(name)}" for name, value in self.changed().items()]
        return f"Limits on what a file may cost were changed: {'; '.join(said)}." if said else ""


DEFAULTS = Limits()


def beyond(name: str, found: float, most: float) -> str:
    """End of a sentence on something too large: its size, the limit, and the flag that raises it.

    Args:
        name: a limit of `Limits`.
        found: size that was found or declared.
        most: the limit.
    """
    unit = "seconds" if name in _SECONDS else _UNITS.get(name, "bytes")
    return f"{found:z,.0f} {unit}, beyond the limit {name} of {most:z,.0f} (raise it with {flag(name, found)})"


def flag(name: str, value: float) -> str:
    """The flag that sets a limit to a value."""
    return f"--limit {name}={value:z.0f}"


def known(name: object) -> str:
    """The name of a limit.

    Raises:
        ConfigError: there is no such limit.
    """
    names = [field.name for field in dataclasses.fields(Limits)]
    if name in names:
        return str(name)
    close = difflib.get_close_matches(str(name)[:80], names, 1)
    raise ConfigError(f"no limit {_short(name)}", f"Did you mean {close[0]!r}?" if close else f"Limits: {_names()}.")


def parsed(text: str) -> tuple[str, float]:
    """Name and number of a flag's text, NAME=NUMBER; 1e9 is a number, too.

    Raises:
        ConfigError: another form, an unknown name, or a value that is no number above 0.
    """
    name, equals, number = text.partition("=")
    if not equals:
        raise ConfigError(f"--limit takes NAME=NUMBER, got {_short(text)}", f"For instance {flag('pixels', 2e8)}.")
    known(name)
    try:
        value = float(number)
    except ValueError:
        raise ConfigError(
            f"the limit {name} takes a number, got {_short(number)}", f"For instance {flag(name, 1e9)}."
        ) from None
    Limits.of({name: value})
    return name, value


def combined(table: Any, where: str, flags: Iterable[tuple[str, float]] | Mapping[str, Any] | None) -> Limits:
    """Limits from the table [limits] of a configuration, overridden by flags.

    Args:
        table: value of the key `limits` of the configuration.
        where: name of the file and the table, for messages.
        flags: (name, number) of each flag, or name -> number; None = none.

    Raises:
        ConfigError: no table, an unknown name, or a value that is no number above 0.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is not a table")
    try:
        Limits.of(table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from error
    return Limits.of({**table, **dict(flags or {})})


def _default(name: str) -> str:
    value = getattr(Limits, name)
    return "half of the memory" if value is None else f"{value:z,.12g}"


def _names() -> str:
    return ", ".join(field.name for field in dataclasses.fields(Limits))


def _short(value: object) -> str:
    """A value as text that fits a sentence; not `repr` of an integer, which fails beyond 4,300 digits."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a number beyond 1e18"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""What a user says of how a data set is read, beside where it lies and what its classes are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_audit.limits.bounds import DEFAULTS, Limits

ClassNames = tuple[str, ...] | None
"""Order of the classes when a class map gives it; None = as the source says."""


@dataclass(frozen=True)
class SourceOptions:
    """How a data set is read. Each source says which of these it knows; another that is given is refused.

    Attributes:
        split: keep only pictures of this part ("train", "val"); None = all.
        outside: whether paths in a file of the data set may leave its folder. Never kept in a run.
        fetch: whether files that lie elsewhere may be fetched; if not, there is what the cache holds. Never kept.
        limits: what files may cost.
    """

    split: str | None = None
    outside: bool = False
    fetch: bool = True
    limits: Limits = DEFAULTS

    @classmethod
    def given(cls, values: Mapping[str, Any], *, outside: bool, limits: Limits, fetch: bool = True) -> SourceOptions:
        """The options of these values by name, as a user or a run gives them; None counts as not given."""
        named = {name: value for name, value in values.items() if name in NAMES and value is not None}
        return cls(**named, outside=outside, fetch=fetch, limits=limits)

    def kept(self) -> dict[str, Any]:
        """What a run keeps, so that its data are read in the same way again: all that was given but permissions."""
        return {name: getattr(self, name) for name in NAMES if getattr(self, name) != _DEFAULTS[name]}


_DEFAULTS = {each.name: each.default for each in dataclasses.fields(SourceOptions)}
NAMES = tuple(name for name in _DEFAULTS if name not in ("outside", "fetch", "limits"))
"""Names of the options that the user gives, beside permissions and limits."""

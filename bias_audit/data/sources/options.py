"""What a user says of how a data set is read, beside where it lies and what its classes are."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bias_audit.data.class_numbers import ClassMap
from bias_audit.errors import ConfigError
from bias_audit.limits.bounds import DEFAULTS, Limits

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

ClassNames = tuple[str, ...] | None
"""Order of the classes when a class map gives it; None = as the source says."""


@dataclass(frozen=True)
class SourceOptions:
    """How a data set is read. Each source says which of these it knows; another that is given is refused.

    Attributes:
        split: keep only pictures of this part ("train", "val"); None = all.
        sample: about so many photos, drawn from all classes, stand for all; None = all. See `sample.sampled`. Every
            source knows it.
        images: folder of the pictures that a file of annotations names; None = the folder of that file.
        objects: what one sample is, "photo" or "each" object of a photo.
        object_size: least height and width in pixels of an object that is a sample of its own.
        outside: whether paths in a file of the data set may leave its folder. Never kept in a run.
        fetch: whether files that lie elsewhere may be fetched; if not, there is what the cache holds. Never kept.
        limits: what files may cost.
        seed, group_by, class_map: settings of the audit of these names, by which a sample is drawn, and labels that are
            numbers get their names.
    """

    split: str | None = None
    sample: int | None = None
    images: str | None = None
    objects: str = "photo"
    object_size: int = 32
    outside: bool = False
    fetch: bool = True
    limits: Limits = DEFAULTS
    seed: int = 0
    group_by: str | None = None
    class_map: ClassMap = None

    def __post_init__(self) -> None:
        if isinstance(self.images, os.PathLike):  # a run keeps it as text
            object.__setattr__(self, "images", os.fspath(self.images))
        for name in ("sample", "object_size"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(f"--{name.replace('_', '-')} must be a number of at least 1, got {value!r}")

    @classmethod
    def given(
        cls,
        values: Mapping[str, Any],
        *,
        outside: bool,
        limits: Limits,
        fetch: bool = True,
        seed: int = 0,
        group_by: str | None = None,
        class_map: ClassMap = None,
    ) -> SourceOptions:
        """The options of these values by name, as a user or a run gives them; None counts as not given."""
        named = {name: value for name, value in values.items() if name in NAMES and value is not None}
        settings: dict[str, Any] = {"seed": seed, "group_by": group_by, "class_map": class_map}
        return cls(**named, **settings, outside=outside, fetch=fetch, limits=limits)

    @cached_property
    def reach(self) -> Reach:
        """What may be fetched, and what it may cost; one for all that is read by these options."""
        from bias_audit.data.remote.reach import Reach

        return Reach(self.fetch, self.limits)

    def kept(self) -> dict[str, Any]:
        """What a run keeps, so that its data are read in the same way again: all that was given but permissions."""
        return {name: getattr(self, name) for name in NAMES if getattr(self, name) != _DEFAULTS[name]}


_DEFAULTS = {each.name: each.default for each in dataclasses.fields(SourceOptions)}
NAMES = tuple(name for name in _DEFAULTS if name not in ("outside", "fetch", "limits", "seed", "group_by", "class_map"))
"""Names of the options that the user gives, beside permissions, limits and settings of the audit."""

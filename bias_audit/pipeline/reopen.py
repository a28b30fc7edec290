"""Reopening of a finished run: its settings and its data, for commands that work on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig
from bias_audit.data import sources
from bias_audit.data.addresses import data_address
from bias_audit.data.contents import Contents
from bias_audit.data.dataset import Dataset
from bias_audit.data.locations import Location
from bias_audit.data.sources.attach import attach_boxes, attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.trees import exists, is_tree
from bias_audit.errors import ConfigError, DataError
from bias_audit.limits.bounds import DEFAULTS, Limits
from bias_audit.run.result import AuditResult, RunInfo
from bias_audit.run.statuses import OK


def config_of(info: RunInfo) -> AuditConfig:
    """The settings with which a run was made; settings that this version does not know are left out.

    So are its limits: a run folder cannot allow itself what a file may cost.

    Raises:
        ConfigError: this version does not accept a value any more.
    """
    known = {field.name for field in dataclasses.fields(AuditConfig)} - {"limits", "left_open"}
    return AuditConfig(**{name: _tuples(value) for name, value in info.config.items() if name in known})


NAMED = ("custom_objects", "preprocess", "method")
"""Settings that may name a Python module of the user."""


def allowed_config(result: AuditResult, allowed: AuditConfig) -> AuditConfig:
    """The settings of a run, in which modules of the user are those named on the command line, never the run's.

    A run folder may come from anybody, so no code is imported because a run names it.

    Args:
        result: the finished run.
        allowed: settings of the command; only the settings NAMED that name a module count.

    Raises:
        ConfigError: the run was made with a module that the command does not name, or without one that it names.
    """
    config = config_of(result.info)
    made = {"preprocess": result.info.preprocess or config.preprocess, "method": result.info.method}
    return allowed_of(config.changed(made), allowed, result.path)


def allowed_of(config: AuditConfig, allowed: AuditConfig, path: Path, names: Sequence[str] = NAMED) -> AuditConfig:
    """The same, of the settings that the run folder `path` keeps; `names` are those that may name a module."""
    missing: list[tuple[str, str]] = []
    named: dict[str, str] = {}
    for setting in names:
        of_run, own = (_module(setting, getattr(each, setting)) for each in (config, allowed))
        if of_run and not own:
            missing.append((setting, of_run))
        elif own and not of_run:
            raise ConfigError(
                f"{str(path)!r} was made with {setting} {getattr(config, setting)!r}, not with {own!r}",
                f"Leave out {_flag(setting)}.",
            )
        elif own:
            named[setting] = own
    if missing:
        said = ", ".join(f"{setting} {value!r}" for setting, value in missing)
        flags = " ".join(f"{_flag(setting)} {value}" for setting, value in missing)
        raise ConfigError(
            f"{str(path)!r} was made with code of its own ({said}), which a run folder cannot ask for",
            f"If you trust that code, name it: {flags}, or --config FILE with these settings.",
        )
    return config.changed({**named, "limits": allowed.limits})


def _module(setting: str, value: str | None) -> str:
    """The user's module or function that a setting names; "" where it names something of this package or nothing."""
    return value if value and (setting == "custom_objects" or ":" in value) else ""


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")


def dataset_of(result: AuditResult, *, outside: bool = False, limits: Limits = DEFAULTS) -> Dataset:
    """The data set of a run, in the order of its images table, with the masks or boxes that it was given.

    Paths are kept in a run as they were given, so relative paths are looked up from the working folder. Nothing is
    fetched because a run names it: of data that lie elsewhere there is what the cache holds.

    Args:
        result: the finished run.
        outside: allow paths in a table that leave its folder; what was allowed when the run was made does not count.
        limits: what the files may cost.

    Raises:
        DataError: the data folder, or one of the images, does not exist any more.
    """
    info = result.info
    data = data_address(info.data)
    if not exists(data):
        raise DataError(
            f"the data of {str(result.path)!r} are not at {info.data!r} any more",
            "Run the command from the folder in which the audit was started, or put the data back.",
        )
    ids = [str(name) for name in result.images.index]
    # All of it: of a sample the table names the photos, so it needs not be drawn again.
    how = {name: value for name, value in info.data_options.items() if name != "sample"}
    class_map = config_of(info).class_map
    options = SourceOptions.given(how, outside=outside, limits=limits, fetch=False, class_map=class_map)
    dataset = sources.open_dataset(data, info.class_names, options)
    if info.masks is not None:
        masks = data_address(info.masks)
        if is_tree(masks):
            dataset = attach_masks(dataset, masks, options.reach)
        else:
            dataset = attach_boxes(dataset, Path(info.masks), limits.columns)
    samples = {(sample.image_id, dataset.class_names[sample.label]): sample for sample in dataset.samples}
    labels = [str(label) for label in result.images["label"]]
    missing = [name for name, label in zip(ids, labels, strict=True) if (name, label) not in samples]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(ids)} images of {str(result.path)!r} are not in {info.data!r} any more, for "
            f"instance {missing[0]!r}",
            "Audit the data as they are now.",
        )
    ordered = tuple(samples[name, label] for name, label in zip(ids, labels, strict=True))
    return dataclasses.replace(dataset, samples=ordered)


def contents_of(result: AuditResult, dataset: Dataset) -> Contents:
    """What the photos and masks of a run held when they were audited, as far as the run knows it.

    Args:
        result: the finished run.
        dataset: its data, in the order of its images table.
    """
    contents = Contents()
    columns = (result.images[name] for name in ("status", "content", "mask_content"))
    for sample, status, photo, mask in zip(dataset.samples, *columns, strict=True):
        if status == OK:
            contents.expect(sample.path, str(photo))
            if isinstance(sample.mask, Location) and mask:  # older runs do not know it
                contents.expect(sample.mask, str(mask))
    return contents


def _tuples(value: Any) -> Any:
    """The value with all its lists, as JSON has them, turned into tuples."""
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value

"""The data and the settings of a finished run, opened again: for what goes on from it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig
from bias_audit.data import sources
from bias_audit.data.dataset import Dataset
from bias_audit.errors import DataError
from bias_audit.result import AuditResult, RunInfo


def config_of(info: RunInfo) -> AuditConfig:
    """The settings that a run was made with.

    Raises:
        ConfigError: a value that this version does not take any more.
    """
    known = {field.name for field in dataclasses.fields(AuditConfig)}
    return AuditConfig(**{name: _tuples(value) for name, value in info.config.items() if name in known})


def dataset_of(result: AuditResult) -> Dataset:
    """The images of a run, in the order of its images table, with the masks or boxes it was given.

    Paths in a run are as they were given, so a relative one is looked up from the working folder.

    Raises:
        DataError: the data folder, or one of the images, is not there any more.
    """
    info = result.info
    data = Path(info.data)
    if not data.exists():
        raise DataError(
            f"the data of {str(result.path)!r} are not at {info.data!r} any more",
            "Run the command from the folder in which the audit was started, or put the data back.",
        )
    ids = [str(name) for name in result.images.index]
    # Whoever audited files outside the folder had allowed it.
    outside = any(name.startswith(("/", "../")) or "/../" in name for name in ids)
    dataset = sources.open_dataset(data, info.class_names, outside=outside)
    if info.masks is not None:
        masks = Path(info.masks)
        attach = sources.attach_masks if masks.is_dir() else sources.attach_boxes
        dataset = attach(dataset, masks)
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


def _tuples(value: Any) -> Any:
    """JSON lists as the tuples they were."""
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value

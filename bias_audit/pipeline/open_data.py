"""Opens the data of an audit, or of a command that looks at them: samples, masks and boxes, and groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.config import AuditConfig
from bias_audit.data import sources
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.dataset import Dataset
from bias_audit.data.sources.attach import attach_boxes, attach_masks, table_of_boxes
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import ConfigError, DataError


def reading_of(how: Mapping[str, Any], config: AuditConfig, *, outside: bool) -> SourceOptions:
    """How data are read: fields of `SourceOptions` by name, with the settings of an audit that are among them."""
    settings = {name: getattr(config, name) for name in ("limits", "seed", "group_by", "class_map")}
    return SourceOptions.given(how, outside=outside, **settings)


def open_data(
    data: Path | Url,
    masks: str | Path | Url | None,
    boxes: str | Path | Url | None,
    config: AuditConfig,
    options: SourceOptions,
) -> Dataset:
    """The data set of an audit with its masks and boxes, see `audit`.

    Raises:
        DataError: nothing that can be audited, or a single class.
    """
    names = tuple(name for name, _ in config.class_map) if config.class_map else None
    dataset = sources.open_dataset(data, names, options)
    if len(dataset.class_names) < 2:
        raise DataError(
            f"{str(data)!r} has one class, {dataset.class_names[0]!r}; a classifier tells at least two apart",
            "Was one class folder given instead of the folder above it?",
        )
    if masks is not None:
        dataset = attach_masks(dataset, data_address(masks), options.reach)
    if boxes is not None:
        dataset = attach_boxes(dataset, table_of_boxes(boxes), options.limits.columns)
    return dataset


def group_codes(dataset: Dataset, column: str | None) -> NDArray[np.intp] | None:
    """Group code of each sample (n,), or None where no column was named.

    Raises:
        ConfigError: the data have no such column.
    """
    if column is None:
        return None
    if column not in dataset.columns:
        known = (
            f"Columns: {', '.join(dataset.columns)}." if dataset.columns else "Give the data as a table with columns."
        )
        raise ConfigError(f"the data have no column {column!r} to group photos by", known)
    return stats.group_codes(pd.Series([sample.columns[column] for sample in dataset.samples]))

"""Sentences for a model and data that were given in each other's place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bias_audit.errors import BiasAuditError, DataError, ModelError
from bias_audit.models.doors import check_model
from bias_audit.models.pytorch import files as torch_files


def refuse_swapped(model: str | Path, data: Any) -> None:
    """Refuse a MODEL that is none where DATA is one; data in memory are none.

    Raises:
        ModelError: they were exchanged.
    """
    if is_model_file(data) and not is_model_file(model) and os.path.exists(model):
        raise ModelError(
            f"MODEL and DATA are exchanged: {str(data)!r} is a model, and {str(model)!r} is none",
            f"Give the model first: bias-audit audit {data} {model}",
        )


def refuse_model(data: Any) -> None:
    """Refuse a model that was given as data.

    Raises:
        DataError: it is one.
    """
    if is_model_file(data):
        raise DataError(f"{str(data)!r} is a model and no data set", "bias-audit inspect says what a model is.")


def is_model_file(path: Any) -> bool:
    """Whether a path is a file or a folder that holds a model, told by names; addresses and functions are no paths."""
    if not isinstance(path, str | Path) or not os.path.exists(path):
        return False
    try:
        check_model(path)
    except BiasAuditError:
        return Path(path).suffix.lower() in torch_files.SUFFIXES and Path(path).is_file()
    return True

"""Folders, archives and shards of given bytes, and what a data set says of them, whatever the places of its bytes."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bias_audit.data.dataset import Dataset
from bias_audit.data.locations import Stored, read_location
from bias_audit.errors import DataError


def as_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def as_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, below: str = "") -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(below + name, data)
    return path


def as_tar(path: Path, files: Mapping[str, bytes], kind: int = tarfile.PAX_FORMAT, below: str = "") -> Path:
    with tarfile.open(path, "w", format=kind) as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(below + name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def told(dataset: Dataset) -> list[tuple[object, ...]]:
    """What a data set holds, whatever the places of its bytes."""
    return [
        (
            sample.image_id, sample.label, sample.boxes, dict(sample.columns), sample.skip, read_location(sample.path),
            None if sample.mask is None else read_location(sample.mask),
        )
        for sample in dataset.samples
    ]  # fmt: skip


def refused(call: Callable[[], object], *says: str) -> DataError:
    with pytest.raises(DataError) as caught:
        call()
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in caught.value.message
    return caught.value


def failing(location: object) -> str:
    """Why the bytes of a place cannot be read."""
    assert isinstance(location, Stored)
    with pytest.raises((OSError, ValueError)) as caught:
        location.read()
    return str(caught.value)

"""Writes the repaired model: as a whole or not at all, and never over a file that is there."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bias_audit.errors import ConfigError
from bias_audit.models.addresses import SAFETENSORS
from bias_audit.models.base import LastLayer, Linear
from bias_audit.models.doors import is_address
from bias_audit.packages import require
from bias_audit.run.atomic import guarded, sweep

HINT = "Free space, or choose another place with --out."


def check_target(out: Path | None, export: Path | None, last: LastLayer) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        ConfigError: a file of another kind than the model's, or any file of a model of which none can be written.
        PackageError: what writes it is not installed.
    """
    if not last.endings and (out is not None or export is None):
        raise ConfigError(
            "a file of this model cannot be written", "Take --export FILE.npz: the weights and bias of its last layer."
        )
    if out is not None and out.suffix.lower() not in last.endings:
        raise ConfigError(
            f"{str(out)!r} is no file for this model: it is written as {', '.join(last.endings)}",
            "Name a file with that ending.",
        )
    if out is not None and out.suffix.lower() == SAFETENSORS:
        require("safetensors", repr(str(out)))
    if export is not None and export.suffix.lower() != ".npz":
        raise ConfigError(f"--export writes an .npz file, and {str(export)!r} is named otherwise")


def refuse_existing(file: Path) -> None:
    """Raise ConfigError where something lies at a path already."""
    if os.path.lexists(file):
        raise ConfigError(f"{str(file)!r} exists; nothing is overwritten", "Name another file, or remove it.")


def write_model(last: LastLayer, linear: Linear, target: Path, folder: Path) -> str:
    """Write the model with another last layer.

    It is written in a folder of its own first; then it appears at its place as a whole.

    Args:
        last: the layer of the model as it is.
        linear: its new weights.
        target: where to; nothing lies there.
        folder: an own folder to work in.

    Returns:
        SHA-256 of the file.

    Raises:
        ConfigError: something lies there.
        ResultError: the disk is full or the folder cannot be written.
        ModelError: as of `LastLayer.write`.
    """
    refuse_existing(target)
    made = folder / f"model{target.suffix.lower()}"

    def write() -> None:
        made.unlink(missing_ok=True)
        last.write(linear, made)
        target.parent.mkdir(parents=True, exist_ok=True)
        _placed(made, target)
        made.unlink()

    guarded(write, target, HINT)
    return sha256_of(target)


def write_layer(linear: Linear, target: Path) -> None:
    """Write weights (D, outputs) and bias (outputs,) of a layer as an .npz file; errors as of `write_model`."""
    refuse_existing(target)
    arrays = {"weights": linear.weights.astype(np.float32)}
    if linear.bias is not None:
        arrays["bias"] = linear.bias.astype(np.float32)
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]

    def write() -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        temporary = _temporary(target)
        try:
            temporary.write_bytes(content.getvalue())
            _linked(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    guarded(write, target, HINT)


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def to_audit(model: Any, file: Path | None, last: LastLayer, linear: Linear) -> Any:
    """What `audit` is given for the repaired model: its file, the address of its weights, or a model in memory.

    Args:
        model: as `repair` was given it.
        file: that it was written to; None = no file of it can be written.
        last, linear: its layer as it was, and the new weights.
    """
    if isinstance(model, str | Path) and is_address(model) and "@" in str(model):
        return f"{str(model).partition('@')[0]}@{file}"
    changed = last.changed(linear)
    return file if changed is None else changed


def _placed(made: Path, target: Path) -> None:
    """Copy a file beside its place, and let it appear there as a whole."""
    sweep(target.parent)
    temporary = _temporary(target)
    try:
        shutil.copyfile(made, temporary)
        with temporary.open("rb+") as opened:
            os.fsync(opened.fileno())
        _linked(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _linked(temporary: Path, target: Path) -> None:
    """Give a file its name, unless something has it: a link is made, which fails then, where the system has links."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        refuse_existing(target)
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        refuse_existing(target)
        temporary.replace(target)

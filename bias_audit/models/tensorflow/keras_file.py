"""Reads the configuration of Keras files, strictly; a file that is ambiguous or leads to other files is refused."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from bias_audit.errors import ModelError, first_line, reason_of
from bias_audit.files.regular import open_regular
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond

CONFIGURATION, WEIGHTS = "config.json", "model.weights.h5"


def read_keras_file(path: Path, limits: Limits = DEFAULTS) -> tuple[str, Any]:
    """The Keras version that wrote a file ("" where the file does not say), and its configuration as JSON values.

    The format follows from the file's name, as it does in Keras, not from its bytes: Keras 3 and Keras 2 read a name
    that ends in .keras, in lower case, as an archive, and Keras 2 reads every other name as HDF5. A file can be both at
    once.

    Args:
        path: path of the file.
        limits: what its parts may cost, unpacked; nothing larger is unpacked or read.

    Raises:
        ModelError: a file that is missing, damaged, has parts beyond the limits, holds weights without a model, holds
            two entries of one name, or leads to other files.
    """
    try:
        open_regular(path).close()
    except OSError as error:  # what may not be read is no damaged file
        raise ModelError(f"cannot load the model {str(path)!r}: {reason_of(error)}") from error
    try:
        return _archive(path, limits) if str(path).endswith(".keras") else _hdf5(path, limits)
    except ModelError:
        raise
    except Exception as error:  # whatever a damaged file makes zipfile, h5py and json raise
        raise ModelError(f"cannot load the model {str(path)!r}: {first_line(error)}") from error


def _archive(path: Path, limits: Limits) -> tuple[str, Any]:
    if not zipfile.is_zipfile(path):  # Keras would say "File not found"
        raise ModelError(f"cannot load the model {str(path)!r}: the file is cut off or no .keras archive")
    with zipfile.ZipFile(path) as archive:
        names = Counter(archive.namelist())
        for name, times in names.items():
            if times > 1:
                raise _unsafe(path, f"its archive holds {name[:80]!r} twice")
            if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
                raise _unsafe(path, f"its archive holds {name[:80]!r}, a path outside of it")
        _refuse_large(path, archive.infolist(), limits)
        version = _json(path, archive.read("metadata.json")).get("keras_version", "")
        content = _json(path, archive.read(CONFIGURATION))
        if WEIGHTS in names:
            # A copy, because h5py seeks to and fro, and a compressed member would be unpacked anew at each seek back.
            with archive.open(WEIGHTS) as member, tempfile.NamedTemporaryFile() as copy:
                shutil.copyfileobj(member, copy)
                copy.flush()
                _refuse_crashing(path, Path(copy.name))
                with h5py.File(copy, "r") as file:
                    _check_parts(path, file, copy.tell(), limits)
    if isinstance(content, dict):
        content.pop("compile_config", None)  # dropped unread with compile=False; that of an inner model is read
    return str(version), content


def _refuse_large(path: Path, members: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    """Refuse an archive whose parts would be too large, before one of them is unpacked.

    What an archive declares is what is unpacked: zipfile stops at the declared size, and takes deflated data in pieces.
    It takes data packed in other ways as a whole, so these are refused.
    """
    others = 0
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unsafe(path, f"its archive holds {member.filename[:80]!r} packed in a way that Keras does not use")
        name = "weights_bytes" if member.filename == WEIGHTS else "archive_bytes"
        if member.file_size > getattr(limits, name):
            raise _too_large(path, member.filename, name, member.file_size, limits)
        others += 0 if member.filename == WEIGHTS else member.file_size
    if others > limits.weights_bytes:  # vocabularies and the like: Keras unpacks all of them
        raise _too_large(path, "parts other than weights", "weights_bytes", others, limits)


_LOOK = """
import sys, h5py
def look(_, part):
    for name in part.attrs:
        part.attrs[name]
with h5py.File(sys.argv[1], "r") as file:
    look("", file)
    file.visititems(look)
"""


def _refuse_crashing(path: Path, file: Path) -> None:
    """Refuse an HDF5 file on which the HDF5 library crashes, as it does on some damaged attributes.

    Another process reads them first: a crash of this one could not be told. Whatever else is wrong is told later.

    Args:
        path: the model's file, for the sentence.
        file: the HDF5 file: the model's, or its weights.
    """
    if not sys.executable:
        return
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        looked = subprocess.run([sys.executable, "-I", "-c", _LOOK, str(file)], capture_output=True, timeout=60)
        if looked.returncode < 0:
            raise ModelError(f"cannot load the model {str(path)!r}: damaged: the HDF5 library crashes when it reads it")


def _hdf5(path: Path, limits: Limits) -> tuple[str, Any]:
    _refuse_crashing(path, path)
    with h5py.File(path, "r") as file:
        _check_parts(path, file, path.stat().st_size, limits)
        version, content = file.attrs.get("keras_version", ""), file.attrs.get("model_config")
        if content is None:
            weights = "layer_names" in file.attrs or "layers" in file
            what = "it holds weights without the model" if weights else "it holds no Keras model"
            raise ModelError(
                f"cannot load the model {str(path)!r}: {what}", "Save the whole model: model.save('m.keras')."
            )
    if not isinstance(content, bytes | str):
        raise ModelError(f"cannot load the model {str(path)!r}: its configuration is no text")
    return _text(version), _json(path, _text(content))


def _text(value: Any) -> str:
    """Text of an HDF5 attribute as Keras reads it: as UTF-8 only, where json.loads would guess from the bytes."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _json(path: Path, text: bytes | str) -> Any:
    """Parse a JSON text.

    Raises:
        ModelError: no JSON, or a key that an object holds twice: readers differ in which of the two values they keep.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise _unsafe(path, f"its configuration says {twice[:80]!r} twice in one object")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"cannot load the model {str(path)!r}: its configuration is no JSON") from error


def _check_parts(path: Path, file: h5py.File, size: int, limits: Limits) -> None:
    """Refuse an HDF5 file that takes groups or numbers from other files, or whose parts are too large.

    Other files are reached by links, external storage and virtual datasets. A dataset of any shape may take no place in
    a file, since cells that were never written are filled when they are read; so shapes count. What is not stored as
    numbers, such as the configuration, is counted as a whole: an attribute is read as a whole, and tells its size then.

    Args:
        path: path of the model, for messages.
        file: the opened file.
        size: its size in bytes.
        limits: what weights and the rest may take.
    """
    waiting, seen = [file["/"]], set()
    numbers, rest = 0, size
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):  # a path within the file, whose target is checked anyway
                continue
            if not isinstance(link, h5py.HardLink):
                raise _unsafe(path, f"its part {name[:80]!r} is a link to another file")
            part = group[name]
            if isinstance(part, h5py.Dataset) and (part.external or part.is_virtual):
                raise _unsafe(path, f"its part {name[:80]!r} takes its numbers from other files")
            address = h5py.h5o.get_info(part.id).addr
            if address in seen:  # groups may contain one another
                continue
            seen.add(address)
            if isinstance(part, h5py.Group):
                waiting.append(part)
            elif isinstance(part, h5py.Dataset):
                numbers += int(part.size or 0) * part.dtype.itemsize
                rest -= part.id.get_storage_size()
    if numbers > limits.weights_bytes:
        raise _too_large(path, "weights", "weights_bytes", numbers, limits)
    if rest > limits.archive_bytes:
        raise _too_large(path, "configuration", "archive_bytes", rest, limits)


def _too_large(path: Path, part: str, name: str, found: int, limits: Limits) -> ModelError:
    said = beyond(name, found, getattr(limits, name))
    return ModelError(f"cannot load the model {str(path)!r}: its {part[:80]!r} would take {said}")


def _unsafe(path: Path, what: str) -> ModelError:
    return ModelError(
        f"cannot load the model {str(path)!r}: {what}",
        "Keras writes no such file. Load the model in Python, save it again with model.save('m.keras'), "
        "or call bias_audit.audit(model, data).",
    )

"""Reads weights of PyTorch from files, as tensors and never as code, and puts them into a network of a library.

`torch.load` runs with `weights_only=True`, which knows a few harmless names and refuses a pickle that asks for another.
"""

from __future__ import annotations

import hashlib
import os
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import nn

from bias_audit.errors import ModelError, one_line, reason_of
from bias_audit.files.regular import open_regular
from bias_audit.limits.bounds import beyond
from bias_audit.models.addresses import SAFETENSORS
from bias_audit.models.pytorch.files import PROGRAMS, program_in

if TYPE_CHECKING:
    from bias_audit.limits.bounds import Limits

Weights = dict[str, torch.Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep a state_dict among other things; the first that holds tensors counts."""

PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before every key."""

USUAL_CLASSES = 1000
"""Outputs with which a network is built first, to see which of its weights have one row per output."""

NAMED_KEYS = 3
"""Keys that a sentence names."""

LEGACY_PICKLES = 5
"""Pickles at the beginning of a file of PyTorch before 1.6."""

IN_PYTHON = "Load it in a function of yours, and audit that: bias-audit audit module:function DATA."


def read_weights(path: Path, limits: Limits) -> tuple[Weights, str]:
    """Read a state_dict.

    Args:
        path: a .safetensors file, or one of `torch.save`: a state_dict, or one among other things (`WRAPPERS`).
        limits: what the weights and the file's other parts may cost.

    Returns:
        (name of a weight -> dense tensor on the CPU, SHA-256 of the file).

    Raises:
        ModelError: an unreadable or damaged file, one beyond the limits, one that would need code, or no weights.
    """
    said = f"cannot read the weights of {str(path)!r}"
    if (kind := program_in(path)) is not None:
        raise ModelError(f"{said}: it is a program of {PROGRAMS[kind]}", f"If you trust it, name it so: {kind}:{path}")
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.weights_bytes:
                raise ModelError(f"{said}: it has {beyond('weights_bytes', size, limits.weights_bytes)}")
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            if path.suffix.lower() == SAFETENSORS:
                found = _safetensors(path, said)
            else:
                file.seek(0)
                found = _pickled(file, said, limits)
    except OSError as error:
        raise ModelError(f"{said}: {reason_of(error)}") from error
    weights = {str(name): each for name, each in found.items() if isinstance(each, torch.Tensor)}
    if not weights:
        raise ModelError(f"{said}: it holds no weights", IN_PYTHON)
    odd = next((name for name, each in weights.items() if each.layout != torch.strided or each.is_quantized), None)
    if odd is not None or any(each.is_meta for each in weights.values()):
        raise ModelError(f"{said}: {odd or 'one of them'} is sparse, quantised or without values", IN_PYTHON)
    declared = sum(each.numel() * each.element_size() for each in weights.values())  # may be more than the file has
    if declared > limits.weights_bytes:
        raise ModelError(f"{said}: they have {beyond('weights_bytes', declared, limits.weights_bytes)}")
    return weights, sha256


def fitted(weights: Weights, build: Callable[[int], nn.Module], name: str, file: str) -> nn.Module:
    """A network with given weights and as many outputs as they are for.

    Args:
        weights: name -> tensor; names may have one of PREFIXES.
        build: number of outputs -> network with any weights.
        name: what the network is called in sentences.
        file: what the weights are called in sentences.

    Raises:
        ModelError: weights that are missing, unknown or of another shape.
    """
    network = build(USUAL_CLASSES)
    own = network.state_dict()
    weights = _without_prefix(weights, own)
    if (classes := _classes(weights, own)) != USUAL_CLASSES:
        network = build(classes)
        own = network.state_dict()
    _refuse_others(weights, own, name, file)
    # Under the version of this network: formats of older versions differ in names or shapes, which is refused above.
    whole = OrderedDict({**own, **weights})
    whole._metadata = own._metadata  # type: ignore[attr-defined]
    network.load_state_dict(whole)
    return network


def _safetensors(path: Path, said: str) -> Mapping[str, Any]:
    from safetensors.torch import load_file

    try:
        found: Mapping[str, Any] = load_file(str(path), device="cpu")
    except Exception as error:  # a SafetensorError, which is no public name of all versions
        raise ModelError(f"{said}: it is damaged or no safetensors file: {one_line(error)}") from error
    return found


def _pickled(file: BinaryIO, said: str, limits: Limits) -> Mapping[str, Any]:
    try:
        _look_through(file, said, limits)
        file.seek(0)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except MemoryError as error:
        raise ModelError(f"{said}: it asks for more memory than there is") from error
    except Exception as error:  # the unpickler raises anything on damaged files
        raise _refusal(said, error) from error
    return _unwrapped(found, said)


def _look_through(file: BinaryIO, said: str, limits: Limits) -> None:
    """Refuse an archive that unpacks to more than it is, and a pickle that asks for a `bytearray`.

    No state_dict has one, and `weights_only` would make one of any size.
    """
    pickles: list[bytes] = []
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(each.compress_type != zipfile.ZIP_STORED for each in members):
                raise ModelError(f"{said}: parts of it are compressed, which torch.save never does", IN_PYTHON)
            for each in members:
                if each.filename.rpartition("/")[2] == "data.pkl":
                    if each.file_size > limits.archive_bytes:
                        raise ModelError(
                            f"{said}: its pickle has {beyond('archive_bytes', each.file_size, limits.archive_bytes)}"
                        )
                    pickles.append(archive.read(each))
        walks = [pickletools.genops(each) for each in pickles]
    else:
        file.seek(0)
        walks = [pickletools.genops(file) for _ in range(LEGACY_PICKLES)]  # each goes on where the last one ended
    for operations in walks:
        for _, argument, _ in operations:
            if isinstance(argument, str) and argument.rpartition(" ")[2] == "bytearray":
                raise ModelError(f"{said}: it asks for a bytearray, which no state_dict holds", IN_PYTHON)


def _refusal(said: str, error: Exception) -> ModelError:
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+)", text)
    if named:
        return ModelError(
            f"{said}: it holds more than weights ({named[1]}), and code of a file is not run",
            "Save the state_dict alone: torch.save(net.state_dict(), 'weights.pth'). " + IN_PYTHON,
        )
    if "weights_only" in text or "Weights only" in text:
        return ModelError(f"{said}: it holds more than weights, and code of a file is not run", IN_PYTHON)
    return ModelError(f"{said}: it is damaged or no file of torch.save: {one_line(error)}")


def _unwrapped(found: Any, said: str) -> Mapping[str, Any]:
    """The state_dict in what a file holds."""
    if isinstance(found, Mapping):
        if any(isinstance(each, torch.Tensor) for each in found.values()):
            return found
        for key in WRAPPERS:
            inner = found.get(key)
            if isinstance(inner, Mapping) and any(isinstance(each, torch.Tensor) for each in inner.values()):
                return inner
    kind = (
        f"a dict of {_listed(list(map(str, found)))}" if isinstance(found, Mapping) and found else type(found).__name__
    )
    raise ModelError(f"{said}: it holds no state_dict but {kind}", IN_PYTHON)


def _without_prefix(weights: Weights, own: Mapping[str, torch.Tensor]) -> Weights:
    """The weights without what wrappers of a network put before all their names."""
    while not any(name in own for name in weights):
        prefix = next((each for each in PREFIXES if all(name.startswith(each) for name in weights)), None)
        if prefix is None:
            break
        weights = {name.removeprefix(prefix): each for name, each in weights.items()}
    return weights


def _classes(weights: Weights, own: Mapping[str, torch.Tensor]) -> int:
    """Rows of the weights that have USUAL_CLASSES rows in the network and, the rows aside, the same shape."""
    rows = {
        int(weights[name].shape[0])
        for name, each in own.items()
        if name in weights
        and each.ndim
        and each.shape[0] == USUAL_CLASSES
        and weights[name].ndim == each.ndim
        and weights[name].shape[1:] == each.shape[1:]
    }
    others = rows - {USUAL_CLASSES, 0}
    return others.pop() if len(others) == 1 else USUAL_CLASSES


def _refuse_others(weights: Weights, own: Mapping[str, torch.Tensor], name: str, file: str) -> None:
    # PyTorch before 0.4.1 kept no number of batches, and none is needed to predict.
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in own]
    shapes = [
        f"{key} {tuple(each.shape)} instead of {tuple(own[key].shape)}"
        for key, each in weights.items()
        if key in own and each.shape != own[key].shape
    ]
    faults = [
        f"{len(found)} {what} ({_listed(found)})"
        for found, what in ((missing, "missing"), (unknown, "unknown"), (shapes, "of another shape"))
        if found
    ]
    if faults:
        raise ModelError(
            f"the weights of {file!r} are not those of {name}: {'; '.join(faults)}",
            "Name the network that they are of, or build yours in a function: module:function.",
        )


def _listed(names: list[str]) -> str:
    return ", ".join(each[:80] for each in names[:NAMED_KEYS]) + (", ..." if len(names) > NAMED_KEYS else "")

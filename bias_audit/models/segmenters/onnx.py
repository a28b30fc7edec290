"""Runs salient-object networks kept as ONNX files (U2-Net, IS-Net, BiRefNet, ...) with onnxruntime, if installed.

An ONNX file does not say what the network wants as pixels, so the shape of its input decides, and notes in the file
(`metadata_props`), which win.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.limits.bounds import Limits
from bias_audit.models.batched import channels_first
from bias_audit.models.onnx.safety import check_onnx
from bias_audit.models.onnx.session import BYTES, TYPES, Session, runtime
from bias_audit.models.reading import read_model_file

Run = Callable[[NDArray[np.float32]], Any]
"""(1, h, w, 3) float32 RGB in [0, 255] -> (1, h, w, K), the network's first output."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the pixels of ImageNet, in 0..1: what U2-Net and BiRefNet were trained with."""

_WANTED = "A segmentation network takes one picture, (1, 3, h, w) or (1, h, w, 3), as float or uint8."


def load_onnx(path: Path, limits: Limits) -> tuple[Run, tuple[int, int] | None]:
    """Load an ONNX file as a function of one picture.

    A network with channels first, (1, 3, h, w), gets `(pixels / 255 - mean) / std` with MEAN and STD, or the three
    numbers that the file keeps under "mean" and "std" in its `metadata_props`. One with channels last, (1, h, w, 3), as
    TensorFlow exports it, gets [0, 255], unless the file has these notes. An input of uint8 gets [0, 255] in any case.

    Args:
        path: the file.
        limits: what the file may cost.

    Returns:
        (the function, (height, width) of its input or None where it takes any size).

    Raises:
        ImportError: onnxruntime is not installed.
        ModelError: the file is too large, refused (`models.onnx.safety.check_onnx`) or none that takes one picture.
    """
    runtime()
    content = read_model_file(path, "segmenter", limits)
    found = check_onnx(path, content)
    session = Session(path, content, "segmenter", found.opset)
    inputs = session.inputs
    if len(inputs) != 1 or len(inputs[0][2]) != 4 or inputs[0][1] not in TYPES:
        shapes = ", ".join(f"{kind} {list(shape)}" for _, kind, shape in inputs) or "nothing"
        raise ModelError(f"the segmenter {str(path)!r} takes {shapes}"[:300], _WANTED)
    if not session.outputs:
        raise ModelError(f"the segmenter {str(path)!r} gives nothing: its graph declares no output"[:300], _WANTED)
    output = session.outputs[0][0]
    name, kind, shape = inputs[0]
    first = shape[1] == 3
    if not first and shape[3] != 3:
        raise ModelError(f"the segmenter {str(path)!r} takes input of shape {list(shape)}"[:300], _WANTED)
    sides = shape[2:4] if first else shape[1:3]
    fixed = (sides[0], sides[1]) if all(isinstance(side, int) and side > 0 for side in sides) else None
    mean, std = _scaling(path, found.metadata, first=first)

    def run(images: NDArray[np.float32]) -> Any:
        given = images if kind == BYTES else (images / np.float32(255) - mean) / std
        given = np.clip(np.rint(given), 0, 255) if kind == BYTES else given
        given = np.ascontiguousarray(channels_first(given) if first else given, TYPES[kind])
        (values,) = session.run([output], {name: given})
        return values.transpose(0, 2, 3, 1) if values.ndim == 4 and first else values

    return run, fixed


def _scaling(path: Path, notes: Mapping[str, str], *, first: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(mean, std) by which pixels in 0..1 are scaled: the file's own, else those of ImageNet, else 0 and 1/255."""
    known = {"mean": MEAN, "std": STD} if first else {"mean": (0.0,) * 3, "std": (1 / 255,) * 3}
    found = []
    for name, usual in known.items():
        text = notes.get(name)
        try:
            values = np.array(usual if text is None else [float(part) for part in text.split(",")], np.float32)
        except ValueError:
            values = np.zeros(0, np.float32)
        if values.shape != (3,) or not np.isfinite(values).all() or (name == "std" and not (values > 0).all()):
            raise ModelError(
                f"the segmenter {str(path)!r} notes a {name} of {' '.join(str(text).split())[:80]!r}, which is not "
                "three numbers for pixels in 0..1",
                'Write them as "0.5,0.5,0.5"; every std is above 0.',
            )
        found.append(values)
    return found[0], found[1]

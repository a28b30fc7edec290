"""Loads segmentation models (Keras, TFLite and ONNX files) as functions image -> mask that estimate the foreground."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.mask_estimates import AUTO, Estimate, Segment, estimator, find_function
from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond
from bias_audit.limits.watchdog import watched
from bias_audit.models.doors import KERAS_FILES
from bias_audit.packages import needed

TFLITE, ONNX = ".tflite", ".onnx"

_WANTED = "A segmentation model takes (1, h, w, 3) in [0, 255] and gives (1, h, w, K), class 0 the background."


def find_estimate(
    segmenter: str | None, custom_objects: str | None = None, limits: Limits = DEFAULTS
) -> Estimate | None:
    """The estimator of masks that a configuration asks for, or None where it asks for none.

    A network is shown the picture stretched to its input, in [0, 255] unless the file itself says otherwise (a
    Rescaling layer, the quantisation of a TFLite input). Of several output channels, channel 0 is the background, and a
    pixel is foreground where another channel is larger. A single channel is the object's: a pixel is foreground above
    .5 where all values lie in 0..1, else above 0, as for logits. Of an ONNX file the first output counts; what it gets
    as pixels says `segmenters.onnx.load_onnx`.

    Args:
        segmenter: "auto", a .keras, .h5, .tflite or .onnx file, `module:function`, or None.
        custom_objects: module with the classes that a Keras file needs.
        limits: what a model file and one call of it may cost.

    Raises:
        ConfigError: a name of no segmenter, or a function that cannot be imported.
        ModelError: no such file, or a file that holds no usable segmentation network.
    """
    if segmenter is None:
        return None
    check_segmenter(segmenter)
    if is_network(segmenter):
        return estimator(load_segmenter(Path(segmenter), custom_objects, limits), segmenter)
    return estimator(find_function(segmenter), segmenter)


def check_segmenter(segmenter: str) -> None:
    """Refuse what names no segmenter, before a model is loaded.

    Raises:
        ConfigError: neither "auto" nor the name of a model file or a function.
    """
    if segmenter != AUTO and ":" not in segmenter and not is_network(segmenter):
        raise ConfigError(
            f"segmenter must be auto, a .keras, .h5, .tflite or .onnx file or module:function, got {segmenter!r}",
            "Any other model goes through a function of yours: image -> mask.",
        )


def is_network(segmenter: str) -> bool:
    """Whether the name of a segmenter is that of a model file, judged by its suffix."""
    return segmenter.lower().endswith((*KERAS_FILES, TFLITE, ONNX))


def segmenter_hash(segmenter: str | None) -> str:
    """SHA-256 of a segmenter's model file; "" for any other segmenter, since the code of a function is not hashed."""
    if segmenter is None or not is_network(segmenter):
        return ""
    with open(segmenter, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_segmenter(path: Path, custom_objects: str | None = None, limits: Limits = DEFAULTS) -> Segment:
    """Load a segmentation network as a function of one picture, (H, W, 3) uint8 RGB -> (H, W) bool.

    Calls from several threads run one after another, since an interpreter holds its tensors.

    Args:
        path: .keras, .h5, .hdf5, .tflite or .onnx file.
        custom_objects: module with the classes that a Keras file needs.
        limits: what the file and one call of it may cost.

    Raises:
        PackageError: the framework that the file needs is not installed.
        ModelError: see `find_estimate`; also when the function is called, for an output that is no mask.
    """
    if not os.path.isfile(path):
        raise ModelError(f"no segmentation model at {str(path)!r}")
    with needed(repr(str(path))), watched(f"loading the segmenter {path.name!r}", limits.seconds_per_call):
        if path.suffix.lower() == ONNX:
            from bias_audit.models.segmenters.onnx import load_onnx

            run, fixed = load_onnx(path, limits)
        else:
            run, fixed = _tensorflow(path, custom_objects, limits)
    lock = threading.Lock()

    def segment(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        height, width = fixed or _multiple_of_32(pixels.shape)
        shown = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        with lock, watched(f"the segmenter {path.name!r}", limits.seconds_per_call):
            values = np.asarray(run(shown[None]))
        if values.ndim == 3:  # (1, h, w)
            values = values[..., None]
        if values.ndim != 4 or values.shape[0] != 1 or min(values.shape[1:]) < 1:
            raise ModelError(f"the segmenter {str(path)!r} gives output of shape {values.shape}", _WANTED)
        return _inside(values[0], pixels.shape[:2])

    return segment


def _inside(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Foreground (H, W) from the network's output (h, w, K).

    Scores are interpolated before they are thresholded, which makes outlines smooth.
    """
    if values.shape[2] > 1:
        score, bound = values[..., 1:].max(axis=2) - values[..., 0].astype(np.float32), 0.0
    elif values.dtype.kind in "biu":  # class numbers
        score, bound = values[..., 0] != 0, 0.5
    else:
        score = values[..., 0]
        bound = 0.5 if score.min() >= 0 and score.max() <= 1 else 0.0
    grown = cv2.resize(np.ascontiguousarray(score, np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown > bound)


def _multiple_of_32(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) near the picture's, multiples of 32 up to 512, as networks with five halvings need."""
    scale = min(1.0, 512 / max(shape[:2]))
    height, width = (max(32, 32 * round(scale * side / 32)) for side in shape[:2])
    return height, width


def _tensorflow(
    path: Path, custom_objects: str | None, limits: Limits
) -> tuple[Callable[[NDArray[np.float32]], Any], tuple[int, int] | None]:
    """A Keras or TFLite file as a function of one picture, and the (height, width) of its input if these are fixed."""
    run, shape = _tflite(path, limits) if path.suffix.lower() == TFLITE else _keras(path, custom_objects, limits)
    if len(shape) != 4 or shape[3] != 3:
        raise ModelError(f"the segmenter {str(path)!r} takes input of shape {tuple(shape)}", _WANTED)
    return run, ((int(shape[1]), int(shape[2])) if shape[1] and shape[2] and min(shape[1:3]) > 0 else None)


def _keras(path: Path, custom_objects: str | None, limits: Limits) -> tuple[Any, tuple[Any, ...]]:
    from bias_audit.models.tensorflow.loading import load_keras

    model = load_keras(path, custom_objects, limits)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        raise ModelError(f"the segmenter {str(path)!r} does not take one picture", _WANTED)

    def run(images: NDArray[np.float32]) -> Any:
        result = model(images, training=False)
        return (result[0] if isinstance(result, list | tuple) else result).numpy()

    return run, shape


def _tflite(path: Path, limits: Limits) -> tuple[Any, tuple[Any, ...]]:
    from bias_audit.models.segmenters.tflite_runtime import runtime
    from bias_audit.models.segmenters.tflite_safety import check_tflite

    interpreter_of, schema = runtime(path)
    if (size := path.stat().st_size) > limits.weights_bytes:
        raise ModelError(
            f"cannot load the segmenter {str(path)!r}: it has {beyond('weights_bytes', size, limits.weights_bytes)}"
        )
    content = path.read_bytes()
    check_tflite(path, content, schema)
    try:
        interpreter = interpreter_of(model_content=content)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"cannot load the segmenter {str(path)!r}: {str(error).splitlines()[0]}") from error
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(images: NDArray[np.float32]) -> Any:
        interpreter.set_tensor(given["index"], _quantised(images, given))
        interpreter.invoke()
        values = interpreter.get_tensor(made["index"])
        scale, zero = made["quantization"]
        return (values.astype(np.float32) - zero) * scale if scale else values

    return run, tuple(int(side) for side in given["shape"])


def _quantised(images: NDArray[np.float32], given: dict[str, Any]) -> NDArray[Any]:
    """Pixels in the data type of a TFLite input; uint8 and int8 inputs get the 256 grey levels, unscaled."""
    if given["dtype"] == np.uint8:
        return np.clip(np.rint(images), 0, 255).astype(np.uint8)
    if given["dtype"] == np.int8:
        return (np.clip(np.rint(images), 0, 255) - 128).astype(np.int8)
    return images.astype(given["dtype"])

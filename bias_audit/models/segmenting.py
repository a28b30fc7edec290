"""Segmentation models that estimate the foreground of photos: Keras and TFLite files as functions image -> mask."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.mask_estimates import AUTO, Estimate, Segment, estimator, find_function
from bias_audit.errors import ConfigError, ModelError

KERAS, TFLITE = (".keras", ".h5", ".hdf5"), ".tflite"

_WANTED = "A segmentation model takes (1, h, w, 3) in [0, 255] and gives (1, h, w, K), class 0 the background."


def find_estimate(segmenter: str | None, custom_objects: str | None = None) -> Estimate | None:
    """The estimates that a configuration asks for.

    A network is shown the picture stretched to its input, in [0, 255] unless the file itself says otherwise (a
    Rescaling layer, the quantisation of a TFLite input). With several channels out, channel 0 is the background and the
    largest one counts; one channel is the object's: above .5 where all values lie in 0..1, else logits above 0.

    Args:
        segmenter: "auto", a .keras, .h5 or .tflite file, `module:function`, or None.
        custom_objects: module with the classes that a Keras file needs.

    Raises:
        ConfigError: no such function.
        ModelError: no such file, or no network that gives masks.
    """
    if segmenter is None:
        return None
    if is_network(segmenter):
        return estimator(load_segmenter(Path(segmenter), custom_objects), segmenter)
    if segmenter != AUTO and ":" not in segmenter:
        raise ConfigError(
            f"segmenter must be auto, a .keras, .h5 or .tflite file or module:function, got {segmenter!r}",
            "Any other model goes through a function of yours: image -> mask.",
        )
    return estimator(find_function(segmenter), segmenter)


def is_network(segmenter: str) -> bool:
    """Whether a segmenter is a model file."""
    return segmenter.lower().endswith((*KERAS, TFLITE))


def segmenter_hash(segmenter: str | None) -> str:
    """SHA-256 of a model file, "" for anything else: the code of a function is not looked at."""
    if segmenter is None or not is_network(segmenter):
        return ""
    from bias_audit.models.loading import file_hash

    return file_hash(Path(segmenter))


def load_segmenter(path: Path, custom_objects: str | None = None) -> Segment:
    """A network as a function of one picture; calls take turns, since interpreters hold their tensors.

    Raises:
        ModelError: see `find_estimate`.
    """
    if not path.is_file():
        raise ModelError(f"no segmentation model at {str(path)!r}")
    run, shape = _tflite(path) if path.suffix.lower() == TFLITE else _keras(path, custom_objects)
    if len(shape) != 4 or shape[3] != 3:
        raise ModelError(f"the segmenter {str(path)!r} takes input of shape {tuple(shape)}", _WANTED)
    fixed = (int(shape[1]), int(shape[2])) if shape[1] and shape[2] and min(shape[1:3]) > 0 else None
    lock = threading.Lock()

    def segment(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        height, width = fixed or _multiple_of_32(pixels.shape)
        shown = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        with lock:
            values = np.asarray(run(shown[None]))
        if values.ndim == 3:  # (1, h, w)
            values = values[..., None]
        if values.ndim != 4 or values.shape[0] != 1 or min(values.shape[1:]) < 1:
            raise ModelError(f"the segmenter {str(path)!r} gives output of shape {values.shape}", _WANTED)
        return _inside(values[0], pixels.shape[:2])

    return segment


def _inside(values: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w, K) -> (H, W): interpolated first, so that outlines are as smooth as the network's own resolution."""
    if values.shape[2] > 1:
        score, bound = values[..., 1:].max(axis=2) - values[..., 0].astype(np.float32), 0.0
    elif values.dtype.kind in "biu":  # classes, by number
        score, bound = values[..., 0] != 0, 0.5
    else:
        score = values[..., 0]
        bound = 0.5 if score.min() >= 0 and score.max() <= 1 else 0.0
    grown = cv2.resize(np.ascontiguousarray(score, np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown > bound)


def _multiple_of_32(shape: tuple[int, ...]) -> tuple[int, int]:
    """A size near the picture's, at most 512, that networks with five halvings take."""
    scale = min(1.0, 512 / max(shape[:2]))
    height, width = (max(32, 32 * round(scale * side / 32)) for side in shape[:2])
    return height, width


def _keras(path: Path, custom_objects: str | None) -> tuple[Any, tuple[Any, ...]]:
    from bias_audit.models.loading import load_keras

    model = load_keras(path, custom_objects)
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        raise ModelError(f"the segmenter {str(path)!r} does not take one picture", _WANTED)

    def run(images: NDArray[np.float32]) -> Any:
        result = model(images, training=False)
        return (result[0] if isinstance(result, list | tuple) else result).numpy()

    return run, shape


def _tflite(path: Path) -> tuple[Any, tuple[Any, ...]]:
    from bias_audit.models.framework import tf
    from bias_audit.models.tflite_safety import check_tflite

    if not hasattr(tf, "lite") or not hasattr(tf.lite, "Interpreter"):
        raise ModelError(
            f"cannot run {str(path)!r}: the installed TensorFlow {tf.__version__} has no TFLite interpreter",
            "Give a .keras file, or a function of yours that runs it: module:function.",
        )
    content = path.read_bytes()
    check_tflite(path, content)
    try:
        interpreter = tf.lite.Interpreter(model_content=content)
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
    """Pixels as a TFLite input takes them: uint8 and int8 inputs hold the 256 grey levels, whatever they stand for."""
    if given["dtype"] == np.uint8:
        return np.clip(np.rint(images), 0, 255).astype(np.uint8)
    if given["dtype"] == np.int8:
        return (np.clip(np.rint(images), 0, 255) - 128).astype(np.int8)
    return images.astype(given["dtype"])

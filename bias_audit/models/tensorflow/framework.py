"""Imports TensorFlow, and Keras on it, without the messages that they print; no other module imports them.

Raises:
    ModelError: at the import, where Keras runs on another backend in this process already.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from bias_audit.errors import ModelError
from bias_audit.run.printable import printable

BACKEND = "tensorflow"
"""The backend that Keras has to run on: a model is observed while TensorFlow traces its call."""


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Context that hides what TensorFlow's C++ part prints (no GPU, CPU features), and shows it after an error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            sink.seek(0)
            sys.stderr.write(printable(sink.read().decode(errors="replace"), lines=True))
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def _on_tensorflow() -> Iterator[None]:
    """Context in which Keras is imported on TensorFlow, whatever the environment or keras.json says.

    A Keras file says nothing of the backend that wrote it. The environment is left as it was, for what the user starts.
    """
    set_by_user = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = BACKEND
    try:
        yield
    finally:
        del os.environ["KERAS_BACKEND"]
        if set_by_user is not None:
            os.environ["KERAS_BACKEND"] = set_by_user


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silenced(), _on_tensorflow():
    import keras

    if keras.config.backend() != BACKEND:  # imported before, by the user's code
        raise ModelError(
            f"Keras runs on the backend {keras.config.backend()!r} in this process, and Keras models are audited on "
            "TensorFlow",
            "Start it with KERAS_BACKEND=tensorflow, or save the model with model.save('m.keras') and give the file to "
            "the command bias-audit.",
        )
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.lite.python import schema_py_generated as tflite_schema
    from tensorflow.python.client import device_lib
    from tensorflow.python.framework import op_def_registry
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as freeze

    tf.config.list_logical_devices()  # looks for GPUs here, so that its messages are hidden as well


def keras2() -> Any:
    """The module tf_keras, which is Keras 2; it is imported only for a file that needs it.

    Raises:
        ImportError: the package tf_keras is not installed, or does not fit the installed TensorFlow.
    """
    with _silenced():
        import tf_keras
    return tf_keras


def registered_object(name: str) -> Any:
    """The class or function registered under a name with Keras 3, or with Keras 2 if that is imported; else None."""
    for each in (keras, sys.modules.get("tf_keras")):
        if each is not None and (found := each.saving.get_registered_object(name)) is not None:
            return found
    return None


def gpu_memory() -> int | None:
    """Bytes of memory that TensorFlow may use on the smallest GPU; None = there is no GPU."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    limits: list[int] = [
        device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU"
    ]
    return min(limits, default=None)


__all__ = [
    "freeze", "gpu_memory", "keras", "keras2", "op_def_registry", "registered_object", "saved_model_pb2", "tf",
    "tflite_schema",
]  # fmt: skip

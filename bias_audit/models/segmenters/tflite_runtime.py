"""The interpreter of TFLite files: that of ai-edge-litert where it is installed, else the one inside TensorFlow.

`tf.lite.Interpreter` is announced for deletion in favour of the first.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bias_audit.errors import ModelError


def runtime(path: Path) -> tuple[Any, Any]:
    """(the class of the interpreter, the module with the schema of the files).

    Args:
        path: the file that is to be run, for messages.

    Raises:
        ModelError: neither package is installed, or the installed TensorFlow has no interpreter.
    """
    try:
        interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter
        return interpreter, importlib.import_module("ai_edge_litert.schema_py_generated")
    except (ImportError, AttributeError):
        pass
    hint = "Install one with: pip install ai-edge-litert; or give a .keras or .onnx file, or module:function."
    try:
        from bias_audit.models.tensorflow.framework import tf, tflite_schema
    except ImportError as error:
        raise ModelError(f"cannot run {str(path)!r}: no interpreter of TFLite files is installed", hint) from error
    if not hasattr(tf, "lite") or not hasattr(tf.lite, "Interpreter"):
        raise ModelError(
            f"cannot run {str(path)!r}: the installed TensorFlow {tf.__version__} has no TFLite interpreter", hint
        )
    return tf.lite.Interpreter, tflite_schema

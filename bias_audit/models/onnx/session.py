"""Runs ONNX models with onnxruntime, which only this file imports: on how many threads, and on what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError, one_line
from bias_audit.limits.room import cores
from bias_audit.models.onnx.safety import refusal

BYTES = "tensor(uint8)"
TYPES: dict[str, Any] = {BYTES: np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16}
"""Type of an input as onnxruntime names it -> as NumPy does."""

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Session:
    """A network that onnxruntime runs.

    Args:
        path: path of its file, for messages.
        content: the model, after `safety.check_onnx`; no file is read.
        what: what it is to be, "model" or "segmenter", for messages.
        opset: version of the standard's operations that it is written in, for messages.
        gpu: whether it may run on a GPU, where onnxruntime has one.

    Attributes:
        inputs, outputs: (name, type, shape) of each; a side of a shape is a number, a text or None.
        on_gpu: whether it runs on a GPU.

    Raises:
        ModelError: onnxruntime does not take the model.
    """

    def __init__(self, path: Path, content: bytes, what: str, opset: int = 0, *, gpu: bool = False) -> None:
        ort = runtime()
        self._said = f"the {what} {str(path)!r}"
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads()
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # Threads that spin while they wait keep the cores from those that decode the next pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        there = [name for name in (CUDA, CPU) if name in ort.get_available_providers()]
        # With TF32 a GPU would keep 10 bits of the products, and the same pictures get other numbers than on a CPU.
        providers = [(CUDA, {"use_tf32": "0"}), CPU] if gpu and CUDA in there else [CPU]
        try:
            self._session = ort.InferenceSession(content, options, providers=providers, enable_fallback=0)
            self.inputs, self.outputs = (
                [(each.name, each.type, tuple(each.shape or ())) for each in listed]
                for listed in (self._session.get_inputs(), self._session.get_outputs())
            )
        except Exception as error:  # onnxruntime has an exception of its own for each of its codes
            told = one_line(error)
            if "opset" in str(error).lower() or "IR version" in str(error):
                raise refusal(what, path)(
                    f"it is written in opset {opset} or a format, which the installed onnxruntime {ort.__version__} "
                    "does not know in full",
                    "Take a newer one (pip install --upgrade onnxruntime), or export the model in an older opset.",
                ) from error
            raise refusal(what, path)(told, "") from error
        self.on_gpu = CUDA in self._session.get_providers()

    def run(self, names: Sequence[str], given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs by name for inputs by name.

        Raises:
            ModelError: the network failed.
        """
        try:
            return [np.asarray(each) for each in self._session.run(list(names), dict(given))]
        except Exception as error:
            raise ModelError(f"{self._said} failed: {one_line(error)}") from error


def runtime() -> Any:
    """The package onnxruntime.

    Raises:
        ImportError: it is not installed; see `packages.needed`.
    """
    import onnxruntime

    return onnxruntime


def threads() -> int:
    """Threads of an operation: OMP_NUM_THREADS where it says a number, as for PyTorch, else the CPUs of this process.

    Left to itself, onnxruntime takes those of the whole machine.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isascii() and asked.isdecimal() and 0 < int(asked[:9]) < 10_000:
        return int(asked)
    return cores()


def fixed_side(side: Any) -> int | None:
    """A side of a shape where it is a number; an exporter may write an open one as -1 or 0."""
    return side if isinstance(side, int) and side > 0 else None

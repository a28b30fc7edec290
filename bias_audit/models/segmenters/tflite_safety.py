"""Checks the operations of a TFLite file before it is run.

The interpreter inside TensorFlow would run any TensorFlow operation that the file names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bias_audit.errors import ModelError


def check_tflite(path: Path, content: bytes, tflite_schema: Any) -> None:
    """Refuse a TFLite file with custom operations or with numbers in other files, before an interpreter is made.

    The interpreter inside TensorFlow has the Flex delegate: a custom operation whose name begins with Flex is an
    operation of TensorFlow, FlexWriteFile for instance. The name proves nothing either, since the operation's options
    say what runs. So all custom operations are refused; those of TFLite itself are enough for a segmentation model.

    Args:
        path: path of the file, for messages.
        content: bytes of the file, as the interpreter gets them.
        tflite_schema: module with the schema of the files, see `tflite_runtime.runtime`.

    Raises:
        ModelError: no TFLite model, or one with custom operations or numbers in other files.
    """
    try:
        model = tflite_schema.Model.GetRootAs(content)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        # As the interpreter reads the number of an operation: newer files have a field for it, older ones a byte.
        custom = [
            (code.CustomCode() or b"").decode(errors="replace")
            for code in codes
            if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == tflite_schema.BuiltinOperator.CUSTOM
            or code.CustomCode()
        ]
        elsewhere = hasattr(model, "ExternalBuffersLength") and model.ExternalBuffersLength() > 0
    except Exception as error:  # whatever bytes that are no TFLite make the reader raise
        raise ModelError(f"cannot load the segmenter {str(path)!r}: it is cut off or no TFLite model") from error
    if custom:
        names = " ".join(", ".join(sorted(set(custom))).split())[:200]
        raise ModelError(
            f"cannot load the segmenter {str(path)!r}: it holds custom operations, which can reach beyond the model: "
            f"{names}",
            "Convert it with the operations of TFLite only, give a .keras file, or a function of yours that runs it: "
            "module:function.",
        )
    if elsewhere:
        raise ModelError(
            f"cannot load the segmenter {str(path)!r}: it keeps numbers in other files",
            "Convert it into one file.",
        )

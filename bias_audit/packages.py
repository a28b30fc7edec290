"""Packages that may not be installed: one sentence says which it is, what needs it, and the command that brings it."""

from __future__ import annotations

import contextlib
import importlib.util
import shlex
from collections.abc import Iterator

from bias_audit.errors import PackageError

PACKAGES = {
    "PIL": ("Pillow", "bias-audit"),
    "cv2": ("OpenCV", "bias-audit"),
    "fsspec": ("fsspec", "bias-audit[remote]"),
    "gcsfs": ("gcsfs", "gcsfs"),
    "h5py": ("h5py", "bias-audit[tensorflow]"),
    "huggingface_hub": ("huggingface_hub", "huggingface_hub"),
    "jinja2": ("Jinja", "bias-audit"),
    "keras": ("TensorFlow with Keras", "bias-audit[tensorflow]"),
    "markupsafe": ("MarkupSafe", "bias-audit"),
    "matplotlib": ("Matplotlib", "bias-audit"),
    "numpy": ("NumPy", "bias-audit"),
    "onnxruntime": ("ONNX Runtime", "bias-audit[onnx]"),
    "pandas": ("pandas", "bias-audit"),
    "pyarrow": ("PyArrow", "bias-audit"),
    "pydicom": ("pydicom", "bias-audit[dicom]"),
    "ray": ("Ray", "bias-audit[ray]"),
    "rich": ("Rich", "rich"),  # of the core, but all that a gate needs: see docs/how-to/install.md
    "s3fs": ("s3fs", "s3fs"),
    "safetensors": ("safetensors", "safetensors"),
    "scipy": ("SciPy", "bias-audit"),
    "shtab": ("shtab", "bias-audit[completion]"),
    "sklearn": ("scikit-learn", "bias-audit"),
    "starlette": ("Starlette", "bias-audit[review]"),
    "tensorflow": ("TensorFlow", "bias-audit[tensorflow]"),
    "tf_keras": ("Keras 2 (tf_keras)", "bias-audit[keras2]"),
    "timm": ("timm", "timm"),
    "threadpoolctl": ("threadpoolctl", "bias-audit"),
    "torch": ("PyTorch", "bias-audit[torch]"),
    "torchvision": ("torchvision", "torchvision"),
    "transformers": ("Transformers", "transformers"),
    "uvicorn": ("Uvicorn", "bias-audit[review]"),
    "yaml": ("PyYAML", "bias-audit"),
}
"""Module -> (what people call it, what to install: with an extra of pyproject.toml, where the core is without it).

Libraries of networks are the user's own and in no extra: safetensors, timm, torchvision, transformers. So are the file
systems of fsspec: s3fs, gcsfs, huggingface_hub.
"""


@contextlib.contextmanager
def needed(by: str) -> Iterator[None]:
    """A context in which the import of a package that is not installed becomes one sentence.

    Args:
        by: what needs the package, such as the name of a model file.

    Raises:
        PackageError: one of `PACKAGES` is not installed, or OpenCV lacks a library of the system.
        ImportError: as it was raised, for anything else: a module of the user's, or a version that lacks a name.
    """
    try:
        yield
    except ImportError as error:
        if (told := sentence(error, by)) is None:
            raise
        raise told from error


def require(module: str, by: str) -> None:
    """Refuse to begin where a package is not installed, without importing it.

    Args:
        module: a key of `PACKAGES`.
        by: what needs the package.

    Raises:
        PackageError: it is not installed.
    """
    if not installed(module):
        raise _missing(module, by)


def installed(module: str) -> bool:
    """Whether a package could be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def sentence(error: ImportError, by: str) -> PackageError | None:
    """What to tell the user about an import that failed, or None where it is no matter of what is installed.

    Args:
        error: what the import raised.
        by: what needs the package.
    """
    package = (error.name or "").partition(".")[0]
    if package in PACKAGES and not installed(package):
        # A module inside of an installed package can be missing too: that is another version, not a missing package.
        return _missing(package, by)
    if "cv2" in (package, _raising(error)):
        return PackageError(
            f"OpenCV cannot be imported: {error}",
            "On a machine without a display's libraries (libGL) use the headless wheel, which works as well:\n"
            "pip uninstall --yes opencv-python && pip install opencv-python-headless",
        )
    if not package:  # pandas names what it lacks in the text only
        absent = [name for name in PACKAGES if name in str(error) and not installed(name)]
        return _missing(absent[0], by) if absent else None
    return None


def _raising(error: BaseException) -> str:
    """The package whose code raised an error; "" where none did."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return str(last.tb_frame.f_globals.get("__name__", "")).partition(".")[0] if last is not None else ""


def _missing(module: str, by: str) -> PackageError:
    called, what = PACKAGES[module]
    return PackageError(f"{called} is not installed, and {by} needs it: pip install {shlex.quote(what)}")

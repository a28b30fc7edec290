"""Packages that may not be installed: one sentence says which it is, what needs it, and the command that brings it."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

from bias_audit.errors import PackageError

EXTRAS = {
    "h5py": ("h5py", "tensorflow"),
    "keras": ("Keras", "tensorflow"),
    "onnxruntime": ("ONNX Runtime", "onnx"),
    "starlette": ("Starlette", "review"),
    "tensorflow": ("TensorFlow", "tensorflow"),
    "tf_keras": ("Keras 2 (tf_keras)", "keras2"),
    "torch": ("PyTorch", "torch"),
    "uvicorn": ("Uvicorn", "review"),
}
"""Module -> (what people call it, the extra of pyproject.toml that brings it)."""

CORE = {
    "cv2": "OpenCV",
    "jinja2": "Jinja",
    "markupsafe": "MarkupSafe",
    "matplotlib": "Matplotlib",
    "numpy": "NumPy",
    "pandas": "pandas",
    "PIL": "Pillow",
    "pyarrow": "PyArrow",
    "rich": "Rich",
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
}
"""Module -> what people call it, of what comes with bias-audit unless it was installed with `--no-deps`."""


@contextlib.contextmanager
def needed(by: str) -> Iterator[None]:
    """A context in which the import of a package that is not installed becomes one sentence.

    Args:
        by: what needs the package, such as the name of a model file.

    Raises:
        PackageError: a package of `EXTRAS` or `CORE` is not installed, or OpenCV lacks a library of the system.
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
        module: a name of `EXTRAS` or `CORE`.
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
    if isinstance(error, ModuleNotFoundError):
        # A module inside of an installed package can be missing too: that is another version, not a missing package.
        return _missing(package, by) if package in {**EXTRAS, **CORE} and not installed(package) else None
    if package == "cv2":
        return PackageError(
            f"OpenCV cannot be imported: {error}",
            "On a machine without a display's libraries (libGL) use the headless wheel, which works as well:\n"
            "pip uninstall --yes opencv-python && pip install opencv-python-headless",
        )
    return None


def _missing(module: str, by: str) -> PackageError:
    called, extra = EXTRAS.get(module) or (CORE[module], "")
    command = f"pip install 'bias-audit[{extra}]'" if extra else "pip install bias-audit"
    return PackageError(f"{called} is not installed, and {by} needs it: {command}")

"""Disk to batches: samples, decoding, one geometry for image and mask. NumPy, OpenCV and Pillow only."""

from bias_audit.errors import ConfigError

try:
    import cv2  # noqa: F401
except ImportError as error:
    raise ConfigError(
        f"OpenCV cannot be imported: {error}",
        "On a machine without a display's libraries (libGL) use the headless wheel, which works as well:\n"
        "pip uninstall --yes opencv-python && pip install opencv-python-headless",
    ) from error

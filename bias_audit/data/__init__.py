"""Reads a data set: lists its samples, decodes pictures and masks, and brings both to the model's input size.

No deep-learning framework is imported here: NumPy, OpenCV and Pillow do the work, PyArrow reads tables.
"""

import os

from bias_audit.errors import ConfigError

try:
    import cv2
except ImportError as error:
    raise ConfigError(
        f"OpenCV cannot be imported: {error}",
        "On a machine without a display's libraries (libGL) use the headless wheel, which works as well:\n"
        "pip uninstall --yes opencv-python && pip install opencv-python-headless",
    ) from error

if "OPENCV_LOG_LEVEL" not in os.environ:  # a damaged picture is a row with its reason, not lines on the terminal
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

"""Reads a data set: lists its samples, decodes pictures and masks, and brings both to the model's input size.

No deep-learning framework is imported here: NumPy, OpenCV and Pillow do the work, PyArrow reads tables.
"""

import os

import cv2

SILENT = 0
"""OpenCV's level of logging at which it prints nothing; not every version has a name for it."""

if "OPENCV_LOG_LEVEL" not in os.environ:  # a damaged picture is a row with its reason, not lines on the terminal
    # The function moved: until 4.12 it is one of cv2 itself, from 4.13 on one of cv2.utils.logging.
    (getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(SILENT)

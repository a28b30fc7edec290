"""Where the object of a picture without a mask may be: for orientation, never for a score."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.grabcut import grabcut
from bias_audit.data.masks import BACKGROUND, FOREGROUND

Array = NDArray[np.float32]

CENTRE = 0.25
"""Standard deviation of the weight of the middle, in sides of the picture, where the object is estimated."""


def estimated(pixels: Array) -> NDArray[np.uint8]:
    """(H, W) foreground of a picture (H, W, C) in [0, 255] without a mask; a guess, for orientation only.

    Of what GrabCut takes for the foreground the one piece that is largest and nearest the middle: a tag or ruler by the
    border stands out from the ground as well as the object does.
    """
    rgb = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    mask: NDArray[np.uint8] = grabcut(rgb if rgb.shape[2] == 3 else np.repeat(rgb, 3, axis=2))
    count, pieces = cv2.connectedComponents((mask == FOREGROUND).astype(np.uint8))
    if count <= 2:
        return mask
    rows, columns = (((np.arange(side) + 0.5) / side - 0.5) / CENTRE for side in mask.shape)
    weights = np.exp(-(rows[:, None] ** 2 + columns**2) / 2)
    sizes = np.bincount(pieces.ravel(), weights.ravel())
    return np.where(pieces == 1 + int(sizes[1:].argmax()), FOREGROUND, BACKGROUND).astype(np.uint8)

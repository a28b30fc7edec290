"""Guesses where the object of a picture without a mask is: for orientation, never for a score."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.grabcut import grabcut
from bias_audit.data.masks import BACKGROUND, FOREGROUND

Array = NDArray[np.float32]

CENTRE = 0.25
"""Standard deviation of the Gaussian weight that favours the middle of the picture, as a share of each side."""


def estimated(pixels: Array) -> NDArray[np.uint8]:
    """Guess the foreground of a picture that has no mask.

    GrabCut may find several connected pieces, since a tag or ruler at the border stands out from the background as well
    as the object does. Only the piece with the largest area is kept, where pixels near the middle weigh more.

    Args:
        pixels: (H, W, C) in [0, 255], C = 3 or 1.

    Returns:
        (H, W) of BACKGROUND and FOREGROUND; all BACKGROUND where GrabCut finds nothing.
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

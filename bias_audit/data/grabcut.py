"""A guess at the foreground of a picture that has no mask: GrabCut, seeded by the border."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.masks import BACKGROUND, FOREGROUND

WORKING_SIDE = 160
"""Longest side at which the cut is made: its outline is a guess anyway, and the cost grows with the pixels."""

BORDER = 0.04
"""Width of the rim that is background for certain, as a share of the shorter side."""

MARGIN = 0.12
"""Width of the rim that is probably background, as a share of either side."""

ROUNDS = 3


def grabcut(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Foreground by iterated graph cuts (Rother et al. 2004, ACM Trans. Graph. 23, 309-314); looks at no model.

    The border is background, a rim within it probably so, the rest probably the object.

    Args:
        pixels: (H, W, 3) RGB.

    Returns:
        (H, W) of BACKGROUND and FOREGROUND; all BACKGROUND where nothing stands out.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    seeds = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    rows, columns = max(1, round(MARGIN * size[1])), max(1, round(MARGIN * size[0]))
    seeds[rows:-rows, columns:-columns] = cv2.GC_PR_FGD
    rim = max(1, round(BORDER * min(seeds.shape)))
    for edge in (seeds[:rim], seeds[-rim:], seeds[:, :rim], seeds[:, -rim:]):
        edge[...] = cv2.GC_BGD
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(small[..., ::-1])
    everywhere = (0, 0, *size)
    cv2.setRNGSeed(0)
    try:
        cv2.grabCut(bgr, seeds, everywhere, back, front, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # one colour leaves nothing to model
        return np.full((height, width), BACKGROUND, np.uint8)
    inside = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = np.asarray(cv2.resize(inside, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.where(whole > 0, FOREGROUND, BACKGROUND).astype(np.uint8)

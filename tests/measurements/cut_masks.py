"""Do masks that miss part of each object convict an honest model, or acquit one that is not? Audits with cut masks.

    python tests/measurements/cut_masks.py IMAGES MASKS MODEL [MODEL...] [--share .3]

IMAGES is a folder per class, MASKS the same tree. Each model is audited with the masks as they are, and without the
lowest and the highest share of each mask's pixels. No assertion: the table is to be read.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import bias_audit
from bias_audit.planted.benchmark.degraded_masks import kept_part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--share", type=float, default=0.3, help="of each mask's pixels that is cut")
    given = parser.parse_args()
    print("| model | masks | class | gap | with grown holes | level | reason |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for cut in ("whole", "without lowest", "without highest"):
            masks = Path(scratch) / cut.replace(" ", "-")
            for path in sorted(given.masks.rglob("*.png")):
                to = masks / path.relative_to(given.masks)
                to.parent.mkdir(parents=True, exist_ok=True)
                mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
                cv2.imwrite(str(to), without(mask, cut, given.share))
            for model in given.models:
                run = Path(scratch) / f"{model.stem}-{masks.name}"
                result = bias_audit.audit(model, given.images, masks=masks, out=run)
                for outcome in result.outcomes:
                    if outcome.code == "BA201" and outcome.measured is not None:
                        grown = outcome.evidence["background_gap_grown_holes"]
                        numbers = f"{outcome.measured:.2f} | " + ("" if grown is None else f"{grown:.2f}")
                        level = outcome.level or outcome.status
                        print(f"| {model.stem} | {cut} | {outcome.subject} | {numbers} | {level} | "
                              f"{outcome.reason_code or ''} |", flush=True)  # fmt: skip


def without(mask: NDArray[np.uint8], cut: str, share: float) -> NDArray[np.uint8]:
    """The mask without the lowest or highest share of its pixels, row by row; itself where it is to be whole."""
    gone = math.floor(share * np.count_nonzero(mask))
    kept = {"whole": slice(None), "without lowest": slice(0, -gone or None), "without highest": slice(gone, None)}
    return kept_part(mask, lambda _: kept[cut])


if __name__ == "__main__":
    main()

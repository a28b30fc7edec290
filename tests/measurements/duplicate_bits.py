"""In how many bits of 256 the perceptual hashes of copies differ, and those of different photos.

    python tests/measurements/duplicate_bits.py FOLDER [FOLDER ...]

Copies: half the size and back, JPEG quality 30, brighter by 30 grey levels, two per cent of the border cut off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.duplicates import BITS, NEAR, as_signs, near_pairs, perceptual_hash
from bias_audit.data.masks import MaskReading
from bias_audit.data.sources import open_dataset
from bias_audit.interventions.edits import Pixels


def smaller(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(half, (width, height)), np.float32)


def compressed(pixels: Pixels) -> Pixels:
    _, jpeg = cv2.imencode(".jpg", pixels[..., ::-1].astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1], np.float32)


def brighter(pixels: Pixels) -> Pixels:
    return np.clip(pixels + 30, 0, 255).astype(np.float32)


def cut(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    part = pixels[height // 50 : height - height // 50, width // 50 : width - width // 50]
    return np.asarray(cv2.resize(part, (width, height)), np.float32)


COPIES: tuple[Callable[[Pixels], Pixels], ...] = (smaller, compressed, brighter, cut)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    geometry = Geometry((224, 224), 3, "stretch", "bilinear", MaskReading())
    for folder in parser.parse_args().folders:
        samples = open_dataset(folder, None).samples
        hashes, copies = [], {each.__name__: [] for each in COPIES}
        for _, group in load_in_order(samples, geometry, 16):
            for loaded in group:
                if loaded.pixels is not None and (first := perceptual_hash(loaded.pixels)):
                    hashes.append(first)
                    for change in COPIES:
                        own, other = as_signs([first, perceptual_hash(change(loaded.pixels))])
                        copies[change.__name__].append(int((own != other).sum()))
        signs = as_signs(hashes)
        apart = ((BITS - signs @ signs.T) / 2)[np.triu_indices(len(signs), 1)].astype(int)
        print(f"{folder}: {len(hashes)} photos, {len(apart)} pairs of different ones, smallest {np.sort(apart)[:5]}")
        for name, bits in copies.items():
            missed = np.mean([each > NEAR for each in bits])
            print(f"  {name}: median {np.median(bits):.0f}, largest {max(bits)}, missed at {NEAR} bits {missed:.3f}")
    many = [row.tobytes().hex() for row in np.random.default_rng(0).integers(0, 256, (50_000, BITS // 8), np.uint8)]
    start = time.perf_counter()
    near_pairs(many, ["a"] * len(many))
    print(f"all pairs of {len(many):,} hashes: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()

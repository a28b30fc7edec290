"""What each way to fill a hole costs objects on backgrounds of their own class, and what gap it shows, model by model.

    python tests/measurements/fills.py IMAGES MASKS MODEL [MODEL...] [--donors 5] [--sheet FILE.png] [--scaled]

IMAGES is a folder per class, MASKS the same tree; a model is a .keras file whose outputs are the classes in order.
Every photo whose mask neither lacks an object nor fills the picture is pasted on backgrounds of both arms, the same
donors under every fill. What a fill costs is the share recognised on backgrounds of the own class, next to that on the
photos themselves: no object loses anything there but by the fill. `--sheet` writes emptied photos, a row for each fill,
to look at. No assertion: the table is to be read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from photo_truth import Photos, read_photos

from bias_audit.data.masks import FOREGROUND
from bias_audit.interventions.edits import FILLS, hole, paste
from bias_audit.models.tensorflow.framework import keras

HOLES = (0.01, 0.7)
"""Least and largest hole of a photo that takes part, as a share of the picture."""

SHOWN = 12
"""Emptied photos in a row of the sheet."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--donors", type=int, default=5, help="backgrounds per photo and arm")
    parser.add_argument("--scaled", action="store_true", help="the models take [-1, 1] instead of [0, 255]")
    parser.add_argument("--sheet", type=Path, help="picture to write, of emptied photos under each fill")
    given = parser.parse_args()
    network = keras.models.load_model(given.models[0])
    photos = read_photos(given.images, given.masks, network.input_shape[1:3])
    masks = [np.where(mask > 0, FOREGROUND, 0).astype(np.uint8) for mask in photos.masks]
    holes = [hole(mask) for mask in masks]
    usable = [i for i, each in enumerate(holes) if HOLES[0] < each.mean() < HOLES[1]]
    emptied = {
        fill: {i: fill_in(photos.pixels[i].astype(np.float32), holes[i]) for i in usable}
        for fill, fill_in in FILLS.items()
    }
    if given.sheet:
        _write_sheet(emptied, usable, given.sheet)
    print("| model | fill | class | n | as they are | on own backgrounds | on others | gap |")
    print("|---|---|---|---|---|---|---|---|")
    for path in given.models:
        network = keras.models.load_model(path)
        for fill, backgrounds in emptied.items():
            _print_rows(network, path.stem, fill, photos, masks, backgrounds, usable, given)


def _print_rows(
    network: keras.Model, name: str, fill: str, photos: Photos, masks: list[NDArray[np.uint8]],
    backgrounds: dict[int, NDArray[np.float32]], usable: list[int], given: argparse.Namespace,
) -> None:  # fmt: skip
    labels = np.asarray(photos.labels)

    def right(pictures: list[NDArray[np.float32]], label: int) -> float:
        """Share of the pictures that are called a class; in batches, for a set of composites is large."""
        parts = [np.stack(pictures[i : i + 64]) for i in range(0, len(pictures), 64)]
        answers = [network.predict(part / 127.5 - 1 if given.scaled else part, verbose=0) for part in parts]
        return float((np.concatenate(answers).argmax(axis=1) == label).mean())

    for label, of_class in enumerate(photos.classes):
        own = [i for i in usable if labels[i] == label]
        arms: dict[bool, list[NDArray[np.float32]]] = {True: [], False: []}
        for i in own:
            rng = np.random.default_rng(i)  # of the photo alone: the same donors under every fill
            for same, pictures in arms.items():
                lent = [j for j in usable if j != i and (labels[j] == label) == same]
                for j in rng.permutation(lent)[: given.donors]:
                    pictures.append(paste(photos.pixels[i].astype(np.float32), masks[i], backgrounds[j]))
        as_is = right([photos.pixels[i].astype(np.float32) for i in own], label)
        same, other = right(arms[True], label), right(arms[False], label)
        shares = " | ".join(f"{share:.2f}" for share in (as_is, same, other, same - other))
        print(f"| {name} | {fill} | {of_class} | {len(own)} | {shares} |", flush=True)


def _write_sheet(emptied: dict[str, dict[int, NDArray[np.float32]]], usable: list[int], path: Path) -> None:
    chosen = usable[:: max(1, len(usable) // SHOWN)][:SHOWN]
    rows = [np.concatenate([backgrounds[i] for i in chosen], axis=1) for backgrounds in emptied.values()]
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])


if __name__ == "__main__":
    main()

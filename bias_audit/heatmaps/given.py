"""Predictions and heatmaps that were made elsewhere, in the place of a model and its heatmap method."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.manifest import Manifest
from bias_audit.errors import DataError, reason_of
from bias_audit.files.regular import open_regular, unreachable
from bias_audit.heatmaps.methods import WITHOUT, Explainer
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.models.base import Explanation
from bias_audit.models.given import Answers, NoModel
from bias_audit.run.statuses import NO_ROW, NOT_FINITE_OUTPUTS

Array = NDArray[np.float32]

LARGEST_GRID = 64
"""Longest side of a heatmap as it is kept; a larger one is averaged down to it."""

LONGEST_SIDE = 8192
"""Longest side of a heatmap that is read."""

ELSEWHERE = "given"
"""In the place of the heatmap method: heatmaps that were made elsewhere."""


@dataclass(frozen=True)
class Results:
    """What was given in the place of a model.

    Attributes:
        answers: predictions by image id.
        composites: the folder of changed pictures that they are of too; None = there is none.
    """

    answers: Answers
    composites: Manifest | None = None


@dataclass(frozen=True)
class Heatmaps:
    """Heatmaps that were made elsewhere.

    Attributes:
        maps: image id -> (h, w) float32, all of one shape.
        sha256: SHA-256 over their ids and values.
        shape: (h, w) as they were given.
        others: number of maps that belong to no photo.
    """

    maps: Mapping[str, Array]
    sha256: str
    shape: tuple[int, int]
    others: int

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the maps as they are kept."""
        height, width = next(iter(self.maps.values())).shape
        return int(height), int(width)


class GivenResults(Explainer):
    """Gives the predictions and heatmaps of elsewhere, photo by photo.

    Args:
        results: the predictions.
        model: what stands where a model would.
        ids: image id of each photo, by position.
        heatmaps: the heatmaps; None = there are none.
    """

    def __init__(self, results: Results, model: NoModel, ids: Sequence[str], heatmaps: Heatmaps | None) -> None:
        self.model, self.seed = model, 0
        self.preprocess = lambda pixels: pixels
        self._results, self._ids = results, ids
        self._maps: Mapping[str, Array] = {} if heatmaps is None else heatmaps.maps
        self.name = WITHOUT if heatmaps is None else ELSEWHERE
        self.grid = (1, 1) if heatmaps is None else heatmaps.grid
        self.notes: tuple[str, ...] = ()

    def explain_photos(self, positions: Sequence[int], pixels: Array, labels: NDArray[np.intp]) -> Explanation:
        """What was given for photos: see `Explainer.explain_photos`.

        Maps are NaN of photos without a heatmap; those of the labelled class also where another class was predicted.
        """
        ids = [self._ids[position] for position in positions]
        predictions = self._results.answers.of(ids)
        nothing = np.full(self.grid, np.nan, np.float32)
        maps = np.stack([self._maps.get(image_id, nothing) for image_id in ids])
        of_label = np.where((predictions.best == labels)[:, None, None], maps, np.nan).astype(np.float32)
        return Explanation(predictions, maps, of_label)

    def has_map(self, position: int) -> bool:
        """Whether there is a heatmap of a photo."""
        return self._ids[position] in self._maps

    def why_invalid(self, position: int) -> str:
        """Why a photo has no valid prediction, in words."""
        return NOT_FINITE_OUTPUTS if self._results.answers.knows(self._ids[position]) else NO_ROW


def read_heatmaps(path: Path, ids: Sequence[str], limits: Limits) -> Heatmaps:
    """Read the heatmaps of photos from a folder of .npy files or from one .npz file.

    In a folder the map of husky/1.jpg is husky/1.jpg.npy, or else husky/1.npy, as masks are named; in an .npz file it
    has the name husky/1.jpg. Arrays of objects are refused, since they are programs.

    Args:
        path: the folder or file.
        ids: ids of the photos.
        limits: what a file may cost: cells of a map count as pixels.

    Raises:
        DataError: there is no such path, no map belongs to a photo, or one is damaged, no (h, w) of numbers, too large
            or of another shape than the others.
    """
    if not os.path.exists(path):
        raise DataError(f"no heatmaps at {str(path)!r}{unreachable(path)}", _WANTED)
    found, others = _of_folder(path, ids, limits) if os.path.isdir(path) else _of_archive(path, ids, limits)
    if not found:
        raise DataError(f"none of the heatmaps in {str(path)!r} is of a photo of the data", _WANTED)
    first, (_, shape) = next(iter(found.items()))
    for image_id, (_, other) in found.items():
        if other != shape:
            raise DataError(
                f"the heatmaps in {str(path)!r} are of several shapes: {first!r} of {_told(shape)}, {image_id!r} of "
                f"{_told(other)}",
                "Give all maps at the grid of the layer that they explain.",
            )
    digest = hashlib.sha256()
    for image_id, (heat, _) in sorted(found.items()):
        digest.update(f"{image_id}:{heat.shape}:".encode("utf-8", "backslashreplace") + heat.tobytes())
    return Heatmaps({image_id: heat for image_id, (heat, _) in found.items()}, digest.hexdigest(), shape, others)


_WANTED = "Give a folder with husky/1.jpg.npy or husky/1.npy for husky/1.jpg, or one .npz file with these ids as names."


_Kept = tuple[Array, tuple[int, int]]
"""A map as it is kept, and its shape as it was given."""


def _kept(heat: Array) -> _Kept:
    """A map at most LARGEST_GRID long; averaging keeps its shares."""
    height, width = (int(side) for side in heat.shape)
    scale = LARGEST_GRID / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        heat = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_AREA), np.float32)
    return heat, (height, width)


def _of_folder(path: Path, ids: Sequence[str], limits: Limits) -> tuple[dict[str, _Kept], int]:
    found: dict[str, _Kept] = {}
    used: set[Path] = set()
    for image_id in ids:
        stem = image_id.rpartition(".")[0]
        for name in (f"{image_id}.npy", f"{stem}.npy"):
            file = path / name
            # The id of a photo from a table may be a path of its own; a map lies in the folder.
            if os.path.isabs(name) or ".." in Path(name).parts or not os.path.exists(file):
                continue
            try:
                with open_regular(file) as opened:
                    found[image_id] = _array(opened, f"{str(file)!r}", limits)
            except (OSError, ValueError) as error:
                raise DataError(f"cannot read the heatmap {str(file)!r}: {reason_of(error)}") from error
            used.add(file)
            break
    there = sum(len([name for name in names if name.endswith(".npy")]) for _, _, names in os.walk(path))
    return found, max(0, there - len(used))


def _of_archive(path: Path, ids: Sequence[str], limits: Limits) -> tuple[dict[str, _Kept], int]:
    found: dict[str, _Kept] = {}
    try:
        with open_regular(path) as opened, zipfile.ZipFile(opened) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            for image_id in ids:
                if image_id in names:
                    with archive.open(f"{image_id}.npy") as member:
                        found[image_id] = _array(member, f"{image_id!r} in {str(path)!r}", limits)
            return found, len(names) - len(found)
    except DataError:
        raise
    except Exception as error:  # zipfile and zlib raise anything on damaged files
        raise DataError(f"cannot read the heatmaps {str(path)!r}: {reason_of(error)}", _WANTED) from error


def _array(file: IO[bytes], where: str, limits: Limits) -> _Kept:
    """One map; what it declares is looked at before it is read."""
    form = np.lib.format
    try:
        version = form.read_magic(file)
        header: Any = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}.get(version)
        if header is None:
            raise ValueError(f"version {version[0]}.{version[1]} of the format is not read")
        shape, fortran, kind = header(file)
    except Exception as error:  # the reader of headers raises whatever parsing them does, TokenError among others
        reason = "it holds objects" if "pickle" in str(error) or "object" in str(error) else reason_of(error)
        raise DataError(f"the heatmap {where} is no array of NumPy: {' '.join(reason.split())[:200]}") from error
    if kind.kind not in "fiu" or kind.hasobject or kind.itemsize > 8 or len(shape) != 2 or min(shape, default=0) < 1:
        raise DataError(f"the heatmap {where} is no (h, w) of numbers: {_told(shape)} of {str(kind)[:40]}")
    if (cells := shape[0] * shape[1]) > limits.pixels:
        raise DataError(f"the heatmap {where} has {_told(shape)} cells: {beyond('pixels', cells, limits.pixels)}")
    if cells < 2 or max(shape) > LONGEST_SIDE:
        raise DataError(
            f"the heatmap {where} has {_told(shape)} cells; 2 and more are read, {LONGEST_SIDE} a side at most"
        )
    data = file.read(cells * kind.itemsize + 1)
    if len(data) != cells * kind.itemsize:
        raise DataError(f"the heatmap {where} is damaged: it does not hold the {_told(shape)} numbers it declares")
    values = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    with np.errstate(over="ignore", invalid="ignore"):
        return _kept(np.array(values, np.float32, order="C"))


def _told(shape: Sequence[int]) -> str:
    return "x".join(str(side)[:20] for side in shape[:6]) or "one number"

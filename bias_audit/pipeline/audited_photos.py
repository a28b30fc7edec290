"""The photos of a finished run, read again as the audit read them, for tests of single regions and cues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.drawn_regions.measure import Photo
from bias_audit.config import AuditConfig
from bias_audit.data.batches import load, load_in_order
from bias_audit.data.central_object import estimated
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import rank
from bias_audit.errors import ConfigError, DataError
from bias_audit.interventions.edits import Mask, Pixels
from bias_audit.models.decoding import geometry_of
from bias_audit.pipeline.reopen import contents_of
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import CHANGED, OK
from bias_audit.stats import group_codes

HOSTS = 40
"""Photos that a region is pasted onto, at most: the answer comes within seconds, its interval is narrow enough."""


class AuditedPhotos:
    """The photos of a run, in the order of its images table.

    Args:
        result: the finished run.
        dataset: its data, see `reopen.dataset_of`.
        config: its settings, as `reopen.allowed_config` gives them.
        input_size: (height, width, channels) of the model's input.

    Attributes:
        dataset: all samples.
        geometry: how pictures become model inputs; a photo that is not the audited one is not read.
        groups: (n,) group code of each photo (patient, scene); None = every photo is a group of its own.
    """

    def __init__(
        self, result: AuditResult, dataset: Dataset, config: AuditConfig, input_size: tuple[int, int, int]
    ) -> None:
        self.dataset = dataset
        self.geometry = replace(geometry_of(config, input_size), contents=contents_of(result, dataset))
        column = config.group_by
        self.groups = group_codes(result.images[column]) if column else None
        self._images, self._seed = result.images, config.seed
        self._hosts: dict[str, list[Photo]] = {}

    def place(self, image_id: str) -> int:
        """Row of the images table, the first where a photo has two labels.

        Raises:
            ConfigError: there is none.
        """
        found = np.flatnonzero(self._images.index == image_id)
        if not len(found):
            raise ConfigError(f"the run has no image {image_id!r}")
        return int(found[0])

    def photo(self, place: int) -> tuple[Photo, bool]:
        """The photo at a place of the images table, and whether its object is estimated.

        Raises:
            DataError: it cannot be read, or is another one than was audited.
        """
        sample = self.dataset.samples[place]
        loaded = load(sample, self.geometry)
        if loaded.status == CHANGED:
            said = f"{sample.image_id!r} is not the photo that was audited: {loaded.reason}"
            raise DataError(said, "Audit the data again.")
        if loaded.pixels is None or loaded.mask is None:
            raise DataError(f"{sample.image_id!r} cannot be read: {loaded.reason}")
        return self._made(place, loaded.pixels, loaded.mask if loaded.drawn else None), not loaded.drawn

    def of_others(self, class_name: str) -> list[Photo]:
        """At most HOSTS photos that neither are nor are taken for the class, spread over the other classes."""
        if class_name in self._hosts:
            return self._hosts[class_name]
        images = self._images
        usable = (images["status"] == OK) & (images["label"] != class_name) & (images["predicted"] != class_name)
        ids = [str(name) for name in images.index]
        places = sorted(map(int, np.flatnonzero(usable)), key=lambda place: rank(self._seed, ids[place]))
        turns: dict[str, int] = {}
        order = []
        for place in places:
            label = str(images["label"].iloc[place])
            order.append((turns.setdefault(label, 0), place))
            turns[label] += 1
        chosen = [place for _, place in sorted(order, key=lambda item: item[0])[:HOSTS]]
        photos = []
        for at, group in load_in_order([self.dataset.samples[place] for place in chosen], self.geometry, 8):
            for offset, loaded in enumerate(group):
                if loaded.pixels is not None and loaded.mask is not None:
                    mask = loaded.mask if loaded.drawn else None
                    photos.append(self._made(chosen[at + offset], loaded.pixels, mask))
        self._hosts[class_name] = photos
        return photos

    def _made(self, place: int, pixels: Pixels, mask: Mask | None) -> Photo:
        """A photo with its mask, or with an estimate where it is given none."""
        sample = self.dataset.samples[place]
        mask = estimated(pixels) if mask is None else mask
        return Photo(sample.image_id, pixels, mask, sample.label, self._group(place))

    def _group(self, place: int) -> int:
        codes: NDArray[np.intp] | None = self.groups
        return place if codes is None else int(codes[place])

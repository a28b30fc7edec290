"""Where recurring cues and drawn regions lie on training photos, and so which pictures are made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bias_audit.data.masks import BACKGROUND
from bias_audit.heatmaps.methods import Explainer
from bias_audit.interventions.edits import Mask, attended_region
from bias_audit.pipeline.live_test import region_of
from bias_audit.repair import composites
from bias_audit.repair.evidence import Proven
from bias_audit.repair.training import Photos
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult


def wanted(
    found: Proven, photos: Photos, explainer: Explainer, before: AuditResult, progress: Progress
) -> composites.Wanted:
    """Which pictures are made, with the regions of cues on the training photos."""
    names = before.info.class_names
    regions: list[tuple[int, bool, dict[int, Mask]]] = []
    for name, on_object in found.cues:
        label = names.index(name)
        places = [int(each) for each in np.flatnonzero(photos.labels == label)]
        with progress.stage(f"Looking for the cue of {name}", len(places), "photos") as advance:
            regions.append((label, on_object, _cue_regions(photos, places, explainer, advance, on_object=on_object)))
    size = photos.masks.shape[1:3]
    for each in found.regions:
        if each.class_name in names:
            label = names.index(each.class_name)
            region = region_of(each.corners, (size[0], size[1]))
            of_class = {int(place): region for place in np.flatnonzero(photos.labels == label)}
            regions.append((label, True, of_class))
    kept = frozenset(names.index(name) for name in found.kept if name in names)
    return composites.Wanted(found.backgrounds, kept, found.properties, tuple(regions))


def _cue_regions(
    photos: Photos, places: list[int], explainer: Explainer, advance: Callable[[int], None], *, on_object: bool
) -> dict[int, Mask]:
    """Photo -> the region that its heatmap points at: on the background, unless the cue lies on objects."""
    found: dict[int, Mask] = {}
    size = explainer.model.batch_size
    for start in range(0, len(places), size):
        part = places[start : start + size]
        maps = explainer.maps(photos.pixels[part].astype(np.float32), photos.labels[part])
        for place, heat in zip(part, maps, strict=True):
            mask = photos.masks[place]
            ground = np.full_like(mask, BACKGROUND) if on_object or not photos.usable[place] else mask
            region = attended_region(heat, ground)
            if region is not None:
                found[place] = region
        advance(len(part))
    return found

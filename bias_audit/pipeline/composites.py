"""The command `bias-audit composites`: the changed pictures of an audit, for who predicts them elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.checks.background.write import Written, write
from bias_audit.config import AuditConfig, configured
from bias_audit.data import manifest
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.contents import Contents
from bias_audit.errors import ConfigError
from bias_audit.models.decoding import geometry_of
from bias_audit.models.segmenters.loading import find_estimate
from bias_audit.pipeline import outlines
from bias_audit.pipeline.open_data import group_codes, open_data, reading_of
from bias_audit.pipeline.options import set_apart
from bias_audit.pipeline.results import SIZE, made_with
from bias_audit.run.lock import gives_back, hold
from bias_audit.run.progress import QUIET, Progress


@gives_back
def write_composites(
    data: str | Path | Url,
    *,
    out: str | Path,
    masks: str | Path | Url | None = None,
    boxes: str | Path | None = None,
    backgrounds: str | Path | Url | None = None,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    allow_outside: bool = False,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Written:
    """Write the photos and the composites of an audit as PNG files, with a manifest that says what each is.

    Args:
        data, masks, boxes, backgrounds, class_map, allow_outside, config, options: as of `pipeline.audit`.
        out: folder of the pictures; one that was begun with the same photos and settings is gone on with.
        progress: display of the progress; None = nothing is shown.

    Returns:
        what was written.

    Raises:
        BiasAuditError: one clear sentence about the data, an option or the folder.
    """
    progress, folder = progress or Progress(QUIET), Path(out)
    how, options = set_apart(options)
    masks, config = outlines.named(masks, configured(config, class_map, options))
    reading = reading_of(how, config, outside=allow_outside)
    if config.interventions == 0:
        raise ConfigError(
            "--interventions 0 makes no composites", "Leave it out, or give a number of photos per class."
        )
    dataset = open_data(data_address(data), masks, boxes, config, reading)
    config = outlines.settled(config, dataset)
    groups = group_codes(dataset, config.group_by)
    size = config.image_size or SIZE
    estimate = find_estimate(config.segmenter, config.custom_objects, config.limits)
    geometry = dataclasses.replace(geometry_of(config, (*size, 3)), estimate=estimate, contents=Contents())
    settings, of = made_with(config, size, backgrounds), manifest.listing(dataset)
    if manifest.begin(folder, settings, of):
        progress.note(f"Going on in {str(folder)!r}: pictures that are there are not written again.")
    hold(folder, "composites")
    scenes = None if backgrounds is None else data_address(backgrounds)
    made = write(dataset, geometry, config, groups, scenes, folder, progress, reading.reach)
    manifest.finish(folder, settings, of, made.pictures, made.contents)
    return made

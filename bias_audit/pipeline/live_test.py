"""Regions that reviewers draw, tested on the audited model: one at a time, each answer kept in the run."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Measured
from bias_audit.checks.drawn_regions.check import DrawnRegions
from bias_audit.checks.drawn_regions.measure import RegionTest, try_region
from bias_audit.checks.drawn_regions.summary import regions_table
from bias_audit.checks.reasons import OK, TOO_FEW
from bias_audit.config import AuditConfig
from bias_audit.data.batches import load
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import ConfigError, DataError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.interventions.edits import Mask
from bias_audit.models.doors import check_model, load_model
from bias_audit.pipeline.audited_photos import AuditedPhotos
from bias_audit.pipeline.finish import judge_again
from bias_audit.pipeline.reopen import allowed_config, dataset_of
from bias_audit.report.pictures import encode_jpeg, encode_picture
from bias_audit.review.written import visible
from bias_audit.run import tables
from bias_audit.run.folder import Run
from bias_audit.run.lock import PATIENCE, gives_back, hold
from bias_audit.run.progress import Progress
from bias_audit.run.quantities import beside_bound, bound
from bias_audit.run.result import AuditResult
from bias_audit.run.result import load as load_result
from bias_audit.run.statuses import indices_of

LEAST_AREA, MOST_AREA = 0.0005, 0.6
"""Share of the picture that a region may take: smaller is a slip of the hand, larger leaves nothing to compare."""

MOST_CORNERS = 500
MOST_NAME = 120


class LiveModel:
    """The model of a finished run, ready to test regions.

    Args:
        folder: run folder.
        model: the model file or folder that was audited.
        progress: what shows the loading.
        allowed: settings that name the user's own modules, where the run was made with some; and the limits.
        outside: allow a table of the run to name files outside its folder.

    Raises:
        ConfigError: another model than the audited one, or modules that are not named.
        BiasAuditError: the run, the model or the data cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        progress: Progress,
        *,
        allowed: AuditConfig | None = None,
        outside: bool = False,
    ) -> None:
        self.folder = folder
        result = load_result(folder)
        check_model(model)
        self.config, self.info = allowed_config(result, allowed or AuditConfig()), result.info
        dataset = dataset_of(result, outside=outside, limits=self.config.limits)
        with progress.stage("Loading the model", None):
            loaded = load_model(model, self.config, result.info.class_names)
        if loaded.sha256 != result.info.model_sha256:
            raise ConfigError(
                f"{str(model)!r} is not the model of {str(folder)!r}, which is {result.info.model!r}",
                "Give the model that was audited, or audit this one first.",
            )
        self.photos = AuditedPhotos(result, dataset, self.config, loaded.input_size)
        preprocess = find_preprocess(self.config.preprocess, self.photos.geometry.channels)
        self.explainer = Explainer(loaded, self.config.method, preprocess, self.config.seed)
        self._images = result.images
        self._lock = threading.Lock()

    def answer(
        self, image_id: str, corners: Sequence[Sequence[float]], name: str, reviewer: str, class_name: str = ""
    ) -> dict[str, Any]:
        """Test a region, keep the answer in the run, and judge the run anew.

        Args:
            image_id: photo of the run.
            corners: at least three [x, y], as shares of what the model sees, from the left and from the top.
            name: what the reviewer calls the thing.
            reviewer: who asks.
            class_name: whose probability is watched; "" = the class that the photo is taken for, or its label where it
                is taken for none of the classes.

        Returns:
            {"hypothesis": row of the table `hypotheses`, "outcome": what BA303 says, "pictures": list of {arm, host,
            probability, jpeg, width, height}}.

        Raises:
            ConfigError: an unknown photo or class, a region that is none, an empty name.
            DataError: the photo cannot be read, or is another one than was audited.
        """
        place = self.photos.place(image_id)
        row = self._images.iloc[place]
        taken = indices_of(self.class_names).get(str(row["predicted"]))
        class_name = class_name or str(row["label"] if taken == len(self.class_names) else row["predicted"])
        if class_name not in self.info.class_names:
            raise ConfigError(f"the run has no class {class_name!r}", f"Classes: {', '.join(self.info.class_names)}.")
        name, reviewer = visible(name)[:MOST_NAME], visible(reviewer)[:MOST_NAME]
        if not name:
            raise ConfigError("a region needs a name", "Say what it shows: snow, ruler, watermark.")
        region = region_of(corners, self.photos.geometry.size)
        with self._lock:
            photo, guessed = self.photos.photo(place)
            tied = self.info.class_names.index(class_name)
            tested = try_region(
                photo,
                region,
                self.photos.of_others(class_name),
                tied,
                self.explainer.predict,
                batch=self.explainer.model.batch_size,
                seed=self.config.seed,
            )
            shown = [[round(float(x), 4), round(float(y), 4)] for x, y in corners]
            kept = _row(tested, image_id, str(row["content"]), json.dumps(shown), name, reviewer, class_name)
            pictures = [
                {"arm": shot.arm, "host": shot.host, "probability": shot.probability, **encode_picture(shot.pixels)}
                for shot in tested.shots
            ]
            result = keep(self.folder, {**kept, "object_estimated": float(guessed)}, pictures)
        own = result.hypotheses.loc[[kept["hypothesis_id"]]]
        outcome = next((each for each in result.outcomes if each.subject == kept["hypothesis_id"]), None)
        return {
            "hypothesis": tables.rows(own)[0],
            "outcome": None if outcome is None else dataclasses.asdict(outcome),
            "pictures": pictures,
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes whose probability can be watched."""
        return self.info.class_names

    def find(self, key: str) -> str:
        """Id of the image with this content.

        Raises:
            ConfigError: there is none.
        """
        named = (self._images["content"] == key) | (self._images.index == key)
        found = np.flatnonzero(named.to_numpy(bool) & bool(key))
        if not len(found):
            raise ConfigError("the run has no such image")
        return str(self._images.index[int(found[0])])

    def picture(self, image_id: str) -> bytes:
        """JPEG of what the model sees of a photo, without any of the file's metadata.

        Raises:
            ConfigError: an unknown photo.
            DataError: it cannot be read.
        """
        loaded = load(self.photos.dataset.samples[self.photos.place(image_id)], self.photos.geometry)
        if loaded.pixels is None:
            raise DataError(f"{image_id!r} cannot be read: {loaded.reason}")
        return encode_jpeg(loaded.pixels, 90)


def region_of(corners: Sequence[Sequence[float]], size: tuple[int, int]) -> Mask:
    """(H, W) uint8, 1 inside the polygon.

    Args:
        corners: [x, y] as shares of the picture, from the left and from the top.
        size: (H, W).

    Raises:
        ConfigError: no polygon, corners that are no numbers or lie outside, a region too small or too large.
    """
    try:
        points = np.array(corners, float)
    except (TypeError, ValueError) as error:
        raise ConfigError("a region is a list of corners [x, y]") from error
    if points.ndim != 2 or points.shape[1] != 2 or not 3 <= len(points) <= MOST_CORNERS:
        raise ConfigError(f"a region has 3 to {MOST_CORNERS} corners [x, y]")
    if not np.isfinite(points).all() or points.min() < 0 or points.max() > 1:
        raise ConfigError("the corners of a region lie between 0 and 1")
    region = _inside(points * np.array(size[::-1]), size)
    area = float(region.mean())
    if not LEAST_AREA <= area <= MOST_AREA:
        limit = LEAST_AREA if area < LEAST_AREA else MOST_AREA
        raise ConfigError(
            f"the region covers {beside_bound(area, limit, 'share')} of the picture; regions of "
            f"{bound(LEAST_AREA, 'share')} to {bound(MOST_AREA, 'share')} can be tested"
        )
    return region


def _inside(points: NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """1 where a pixel's middle lies inside the polygon (even-odd rule); OpenCV would add the whole rim."""
    ys, xs = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside = np.zeros(size, bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        crossed = (y0 > ys) != (y1 > ys)
        if crossed.any():
            at = x0 + (ys[crossed] - y0) * (x1 - x0) / (y1 - y0)
            inside[crossed] ^= xs < at[:, None]
    return inside.astype(np.uint8)


@gives_back
def keep(folder: Path, row: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> AuditResult:
    """Put a tested region into the run: its table, its findings, its pictures and its page.

    The same region, class and photo tested again replace the former answer.
    """
    hold(folder, "the test of a region", PATIENCE)
    result = load_result(folder)
    before = [each for each in tables.rows(result.hypotheses) if each["hypothesis_id"] != row["hypothesis_id"]]
    table = regions_table([*before, row])
    run = Run(folder)
    stored = run.read_json("pictures.json") or {}
    stored.setdefault("hypotheses", {})[row["hypothesis_id"]] = list(pictures)
    run.write_json("pictures.json", stored)
    return judge_again(run, result, DrawnRegions(), Measured({"hypotheses": table}), {"hypotheses": table})


def _row(
    tested: RegionTest, image_id: str, content: str, region: str, name: str, reviewer: str, class_name: str
) -> dict[str, Any]:
    digest = hashlib.sha256("\0".join((content, region, class_name)).encode("utf-8", "backslashreplace"))
    erased, pasted = tested.erased, tested.pasted
    row: dict[str, Any] = {
        "hypothesis_id": f"region-{digest.hexdigest()[:8]}",
        "name": name,
        "class_name": class_name,
        "image_id": image_id,
        "content": content,
        "region": region,
        "reviewer": reviewer,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "area": tested.area,
        "object_share": tested.object_share,
        "probability": erased.before,
        "probability_erased": erased.after,
        "erase_effect": erased.effect,
        "p_erase": erased.p,
        "n_places": erased.n,
        "reason": tested.reason or OK,
        "reason_code": TOO_FEW if tested.reason else OK,
    }
    if pasted is not None:
        row |= {
            "n_hosts": pasted.n,
            "paste_effect": pasted.effect,
            "paste_low": pasted.low,
            "paste_high": pasted.high,
            "p_paste": pasted.p,
            "turned": pasted.turned,
            "turned_control": pasted.turned_control,
            "own_effect": pasted.own_effect,
        }
    return row

"""Predictions, composites and heatmaps that were made elsewhere, opened and checked before an audit of them starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.dataset import Dataset
from bias_audit.data.manifest import BLACK, MANIFEST, ORIGINAL, Manifest, read_manifest
from bias_audit.data.prediction_table import IMAGE_ID, read_predictions
from bias_audit.errors import ConfigError, DataError
from bias_audit.heatmaps.given import GivenResults, Heatmaps, Results, read_heatmaps
from bias_audit.limits.bounds import Limits
from bias_audit.models.given import Answers, NoModel
from bias_audit.run.statuses import OK

SIZE = (224, 224)
"""(height, width) at which photos are read where neither --image-size nor a folder of composites says it."""

BATCH = 32
"""Photos that are read at once, unless --batch-size says otherwise."""

OF_A_MODEL = ("method", "layer", "preprocess", "class_map")
"""Settings that only a model can follow."""

WRITE = "bias-audit composites DATA --image-size HxW --out DIR writes changed pictures to predict, for --composites DIR"


@dataclass(frozen=True)
class Ready:
    """What was given, checked.

    Attributes:
        explainer: gives predictions and heatmaps photo by photo.
        results: the predictions, and the composites that they are of too.
        key: hash of each file, by name, for a run that is resumed.
    """

    explainer: GivenResults
    results: Results
    key: Mapping[str, str]

    def check_contents(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Check that photos and masks are those that the composites were made of.

        Args:
            records: records of the photos, with the hashes of their files.

        Raises:
            DataError: one of them is another file.
        """
        if self.results.composites is None:
            return
        known = self.results.composites.contents
        for record in records:
            now = str(record["content"]), str(record["mask_content"] or "")
            before = known.get(str(record["image_id"]), now)
            if record["status"] == OK and before != now:
                which = "the photo" if before[0] != now[0] else "the mask of the photo"
                raise DataError(
                    f"{which} {record['image_id']!r} is another file than when the composites in "
                    f"{str(self.results.composites.folder)!r} were made",
                    "Write the pictures again with bias-audit composites, and predict them.",
                )


def refuse_both(
    model: Any,
    predictions: str | Path | None,
    composites: str | Path | None,
    heatmaps: str | Path | None,
    strangers: str | Path | Url | None,
    config: AuditConfig,
) -> None:
    """Refuse a model beside predictions, neither of them, and what only one of them goes with.

    Raises:
        ConfigError: as said.
    """
    if predictions is None:
        if model is None:
            raise ConfigError(
                "there is neither a model nor a table of predictions", "Give MODEL, or --predictions FILE."
            )
        for name, value in (("--composites", composites), ("--heatmaps", heatmaps)):
            if value is not None:
                raise ConfigError(
                    f"{name} goes with --predictions: a model makes its own", "Leave it out, or give no model."
                )
        return
    if model is not None:
        raise ConfigError(
            f"a model and --predictions {str(predictions)!r} contradict each other",
            "Give the model, or the predictions that were made with it.",
        )
    if strangers is not None:
        raise ConfigError("--strangers needs a model, which is asked what it takes them for; --predictions gives none")
    default = AuditConfig()
    if asked := [name for name in OF_A_MODEL if getattr(config, name) != getattr(default, name)]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise ConfigError(
            f"{flags} {'is' if len(asked) == 1 else 'are'} about a model, and --predictions gives none",
            "The predictions are taken as they are, a column per class of the data.",
        )


def made_with(
    config: AuditConfig, size: tuple[int, int] | None, backgrounds: str | Path | Url | None
) -> dict[str, Any]:
    """The settings from which the choice and the pixels of composites follow, by name.

    Args:
        config: settings of the audit.
        size: (height, width) of the pictures; None = not said.
        backgrounds: folder of real scenes; None = there is none.
    """
    names = (
        "seed", "interventions", "donors", "group_by", "resize", "interpolation", "decoder", "mask_foreground",
        "mask_ignore", "segmenter",
    )  # fmt: skip
    scenes = None if backgrounds is None else "given"
    return {"image_size": size, "backgrounds": scenes, **{name: getattr(config, name) for name in names}}


def read_results(
    predictions: str | Path,
    composites: str | Path | None,
    heatmaps: str | Path | None,
    dataset: Dataset,
    config: AuditConfig,
    backgrounds: str | Path | Url | None = None,
) -> Ready:
    """Read what was given in the place of a model.

    Args:
        predictions: table of predictions of the photos, and of the pictures in `composites`.
        composites: folder that `bias-audit composites` wrote; None = there are none.
        heatmaps: see `read_heatmaps`; None = there are none.
        dataset: the photos of the audit.
        config: settings of the audit.
        backgrounds: folder of real scenes of the audit; None = there is none.

    Raises:
        DataError, ConfigError: one of them is missing, damaged, or of other photos or settings than the audit.
    """
    limits, ids = config.limits, [sample.image_id for sample in dataset.samples]
    manifest = None
    if composites is not None:
        manifest = read_manifest(Path(composites), made_with(config, config.image_size, backgrounds), dataset, limits)
    known = _known(ids, manifest)
    hint = "Give rows for the photos of DATA alone" + (" and for the pictures of --composites." if manifest else "")
    hint += "" if manifest else f"; rows of composites go with --composites DIR ({WRITE})."
    table = read_predictions(Path(predictions), dataset.class_names, lambda name: known.get(name, ""), limits, hint)
    answers = Answers(table)
    if manifest is not None and not any(answers.knows(each.image_id) for each in _composites(manifest)):
        raise DataError(
            f"{str(predictions)!r} has no row of the pictures in {str(composites)!r}",
            f"Predict the pictures that manifest.csv there lists, by their {IMAGE_ID}.",
        )
    if not any(map(answers.knows, ids)):
        raise DataError(f"{str(predictions)!r} has no row of the photos of the data", f"Its {IMAGE_ID} is their path.")
    maps = None if heatmaps is None else read_heatmaps(Path(heatmaps), ids, limits)
    size = config.image_size or (SIZE if manifest is None else _size(manifest))
    notes = _notes(answers, ids, manifest, maps)
    model = NoModel((*size, 3), config.batch_size or BATCH, answers.sha256, notes)
    results = Results(answers, manifest)
    key = {
        "composites": "" if manifest is None else manifest.sha256,
        "heatmaps": "" if maps is None else maps.sha256,
    }
    return Ready(GivenResults(results, model, ids, maps), results, key)


def _known(ids: Sequence[str], manifest: Manifest | None) -> dict[str, str]:
    """Id in a table of predictions -> id by which it counts: that of a photo also for its unchanged picture."""
    known = {image_id: image_id for image_id in ids}
    photos = frozenset(ids)
    for row, each in enumerate(() if manifest is None else manifest.pictures, start=2):
        if each.source not in photos and (each.source or each.set != BLACK):
            file = "" if manifest is None else manifest.folder / MANIFEST
            raise DataError(
                f"{str(file)!r} row {row}: there is no photo {each.source!r} in this audit",
                "Give the audit the data that the composites were made of.",
            )
        if each.image_id in known:
            raise DataError(
                f"{each.image_id!r} is both a photo of the data and a picture in {str(manifest and manifest.folder)!r}",
                "Call the folder of the class otherwise.",
            )
        known[each.image_id] = each.source if each.set == ORIGINAL else each.image_id
    return known


def _composites(manifest: Manifest) -> list[Any]:
    return [each for each in manifest.pictures if each.source and each.set != ORIGINAL]


def _size(manifest: Manifest) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in manifest.settings["image_size"])
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"the composites in {str(manifest.folder)!r} do not say how large they are") from error
    if min(height, width) < 1 or height * width > Limits.pixels:
        raise DataError(f"the composites in {str(manifest.folder)!r} say that they are {height}x{width} pixels")
    return height, width


def _notes(answers: Answers, ids: Sequence[str], manifest: Manifest | None, maps: Heatmaps | None) -> tuple[str, ...]:
    """What a reader of the run must know of what was given, without names of files: an anonymous page shows it, too."""
    notes = [
        "No model was audited, but predictions that were made elsewhere: nobody asked it about "
        "other pictures, so preprocessings, recurring cues and properties of the whole photo were not tried."
    ]
    if manifest is None:
        notes.append(f"No composites were given, so reliance on the background was not tested; {WRITE}.")
    else:
        pictures = _composites(manifest)
        unanswered = sum(not answers.knows(each.image_id) for each in pictures)
        said = f"; {unanswered} of them have no row, and no composite of their photos counts" if unanswered else ""
        notes.append(
            f"{len(pictures)} composites were predicted as pictures of 8 bits (manifest {manifest.sha256[:12]}){said}."
        )
    if maps is None:
        notes.append(
            "There are no heatmaps, so nothing is said of attention; --heatmaps DIR takes maps made elsewhere."
        )
    else:
        without = sum(image_id not in maps.maps for image_id in ids)
        kept = "" if maps.grid == maps.shape else f", averaged to {maps.grid[0]}x{maps.grid[1]}"
        parts = [f"Heatmaps of {maps.shape[0]}x{maps.shape[1]} (SHA-256 {maps.sha256[:12]}) were made elsewhere{kept}"]
        parts += [f"{without} of {len(ids)} photos have none"] if without else []
        parts += [f"{maps.others} maps are of no photo"] if maps.others else []
        notes.append(
            f"{'; '.join(parts)}. They could not be tested (BA908), and say nothing of the labelled class where "
            "another was predicted."
        )
    return tuple(notes)

"""Discovery of recurring cues: group spots, tie each group to a class, and prove it by erasing and pasting.

Also makes the rows of the tables `cues` and `cue_spots`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks import reasons
from bias_audit.checks.recurring_cues.association import LEAST_TIED, Association, associate
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.grouping import Group, groups
from bias_audit.checks.recurring_cues.proof import Proof, prove
from bias_audit.checks.recurring_cues.spots import Spots
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.heatmaps.methods import Explainer
from bias_audit.run.columns import Row
from bias_audit.run.statuses import predictions_of

Indices = NDArray[np.intp]
SAME = 0.5
"""Share of the smaller group's spots in common from which on groups of two views count as the same cue."""

MOST_PROVED = 12
"""Largest number of cues whose spots are erased and pasted; each takes about 180 pictures."""

ON_OBJECT, ON_ESTIMATE = 0.5, 0.25
"""Share of a cue's evidence on the object from which on the cue counts as the object: with drawn masks, and with
estimated ones. Used to rank cues, and the first to keep proofs off the object; the rule judges by
`Thresholds.max_on_object` and `max_on_estimate`."""

NOT_TIED = "not tied to a class"
NOT_CHOSEN = f"not among the {MOST_PROVED} strongest"
TOO_FEW = "not enough images with room for a control"
FEW_GROUPS = f"fewer than {stats.ENOUGH_GROUPS} groups of images with room for a control"
PROVED = "ok"

CODES = {
    PROVED: reasons.OK,
    TOO_FEW: reasons.TOO_FEW,
    FEW_GROUPS: reasons.TOO_FEW_GROUPS,
    NOT_TIED: reasons.NOT_TIED,
}
"""Status of a cue -> the same as a code of `checks.reasons`; the others are NOT_TESTED."""

ASSOCIATION_P = 0.05
"""Largest corrected p of the Fisher test at which a cue counts as tied to a class; only such cues are proved."""


@dataclass
class Cue:
    """A recurring cue.

    Attributes:
        spots: indices into `Seen.spots`, the most typical spot first.
        views: names of the views (ways of grouping) that found the cue.
        association: association of the cue's images with the classes.
        p_tied: p of the association after Benjamini-Hochberg over all cues.
        attention: mean share of a map's positive evidence that lies on the spot, 0..1.
        on_object: mean share of the spots' evidence that lies on the object, 0..1.
        estimated: share of the cue's images whose object is estimated, 0..1.
        status: PROVED, or why the cue was not erased and pasted.
        proof: effects of erasing and pasting.
        p_erase, p_paste: p of the two effects after Benjamini-Hochberg over both tests of all cues; NaN without proof.
    """

    spots: Indices
    views: list[str]
    association: Association
    p_tied: float
    attention: float
    on_object: float
    estimated: float
    status: str = NOT_CHOSEN
    proof: Proof = field(default_factory=lambda: Proof(0))
    p_erase: float = float("nan")
    p_paste: float = float("nan")


def discover(
    dataset: Dataset,
    seen: Seen,
    explainer: Explainer,
    geometry: Geometry,
    seed: int,
    advance: Callable[[int], None],
    photo_groups: Indices | None = None,
) -> list[Cue]:
    """Find all recurring cues, and erase and paste the spots of the strongest.

    Args:
        dataset: all samples.
        seen: spots, heatmaps and activations of the sample.
        explainer, geometry: as for all other photos of the audit.
        seed: seed of every random choice.
        advance: called with 1 after each proof, at most MOST_PROVED times.
        photo_groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        the cues, strongest first, see `strength`.
    """
    classes = len(dataset.class_names)
    found = _merged([group for group in groups(seen, seed) if _of_classes(group.spots, seen, classes)], seen)
    codes = None if photo_groups is None else photo_groups[seen.positions]
    cues = [_cue(spots, views, seen, classes, codes) for spots, views in found]
    tied = stats.benjamini_hochberg(np.array([cue.association.p for cue in cues]))
    for cue, p in zip(cues, tied, strict=True):
        cue.p_tied = float(p)
        if p > ASSOCIATION_P or cue.association.lift <= 1:
            cue.status = NOT_TIED
    cues.sort(key=lambda cue: -cue.attention * cue.association.share[0])
    chosen = [cue for cue in cues if cue.status != NOT_TIED][:MOST_PROVED]
    for cue in chosen:
        cue.proof = prove(
            dataset, seen, cue.spots, cue.association.tied, explainer.predict, geometry,
            off_object=cue.on_object < ON_OBJECT, batch=explainer.model.batch_size, seed=seed,
            groups=photo_groups,
        )  # fmt: skip
        cue.status = PROVED if cue.proof.erased else TOO_FEW if photo_groups is None else FEW_GROUPS
        advance(1)
    proved = [cue for cue in chosen if cue.status == PROVED]
    # One correction over both tests of all cues: either effect is a proof. With few hosts one of them is not made.
    tests = [effect.p if effect else float("nan") for cue in proved for effect in (cue.proof.erased, cue.proof.pasted)]
    corrected = stats.benjamini_hochberg(np.array(tests)).reshape(-1, 2)
    for cue, (p_erase, p_paste) in zip(proved, corrected, strict=True):
        cue.p_erase, cue.p_paste = float(p_erase), float(p_paste)
    return sorted(cues, key=lambda cue: -strength(cue))


def strength(cue: Cue) -> float:
    """Number by which cues are ranked, largest first; cues with a proof come before those without.

    With a proof it is the larger lower limit of the effects, reduced by the share of the cue on the object. Without
    one it is the attention that the cue takes.
    """
    if effects := [effect.low for effect in (cue.proof.erased, cue.proof.pasted) if effect]:
        most = ON_ESTIMATE if cue.estimated else ON_OBJECT
        return 1 + max(effects) * max(0.0, 1 - cue.on_object / most)
    return cue.attention * cue.association.share[0] - 1


def row(cue: Cue, dataset: Dataset, seen: Seen) -> Row:
    """The row of the table `cues` for a cue.

    Args:
        cue: one of `discover`.
        dataset: all samples.
        seen: the sample in which the cue was found.
    """
    tied = cue.association
    erased, pasted = cue.proof.erased, cue.proof.pasted
    nan = float("nan")
    return {
        "cue_id": cue_id(cue, dataset, seen),
        "class_name": dataset.class_names[tied.tied],
        "views": ", ".join(cue.views),
        "n": tied.n,
        "classes": ", ".join(
            f"{name} {count}"
            for name, count in zip(predictions_of(dataset.class_names), tied.counts, strict=False)
            if count
        ),
        "class_share": tied.share[0],
        "class_share_low": tied.share[1],
        "class_share_high": tied.share[2],
        "lift": tied.lift,
        "odds_ratio": tied.odds[0],
        "odds_ratio_low": tied.odds[1],
        "odds_ratio_high": tied.odds[2],
        "cramers_v_predicted": tied.v_predicted,
        "cramers_v_label": tied.v_label,
        "purity": tied.purity,
        "p_tied": cue.p_tied,
        "attention_share": cue.attention,
        "object_share": cue.on_object,
        "object_estimated": cue.estimated,
        "proof_status": cue.status,
        "proof_status_code": CODES.get(cue.status, reasons.NOT_TESTED),
        "n_proof": cue.proof.n,
        "n_proof_groups": cue.proof.groups,
        "n_paste": cue.proof.blocks,
        "erase_effect": erased.mean if erased else nan,
        "erase_low": erased.low if erased else nan,
        "erase_high": erased.high if erased else nan,
        "paste_effect": pasted.mean if pasted else nan,
        "paste_low": pasted.low if pasted else nan,
        "paste_high": pasted.high if pasted else nan,
        "turned": cue.proof.turned,
        "turned_control": cue.proof.turned_control,
        "p_erase_fdr": cue.p_erase,
        "p_paste_fdr": cue.p_paste,
    }


def cue_id(cue: Cue, dataset: Dataset, seen: Seen) -> str:
    """Id of a cue: its class and a hash of the image, place and view of its most typical spot.

    It holds no rank, so that it means the same cue in the next run.
    """
    spot = int(cue.spots[0])
    image_id = dataset.samples[int(seen.positions[seen.spots.image[spot]])].image_id
    place = f"{image_id}:{seen.spots.row[spot]}:{seen.spots.column[spot]}:{cue.views[0]}"
    digest = hashlib.sha256(place.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{dataset.class_names[cue.association.tied]}-{digest[:6]}"


def spot_rows(cue: Cue, dataset: Dataset, seen: Seen) -> list[Row]:
    """Rows of the table `cue_spots` for a cue, the most typical spot first.

    Args:
        cue: one of `discover`.
        dataset: all samples.
        seen: the sample in which the cue was found.
    """
    name = cue_id(cue, dataset, seen)
    height, width = seen.spots.grid
    return [
        {
            "cue_id": name,
            "image_id": dataset.samples[int(seen.positions[seen.spots.image[spot]])].image_id,
            "rank": place + 1,
            "x": (float(seen.spots.column[spot]) + 0.5) / width,
            "y": (float(seen.spots.row[spot]) + 0.5) / height,
            "width": (2 * seen.spots.reach + 1) / width,
            "height": (2 * seen.spots.reach + 1) / height,
            "attention_share": float(seen.spots.share[spot]),
        }
        for place, spot in enumerate(cue.spots)
    ]


def to_arrays(seen: Seen) -> dict[str, NDArray[Any]]:
    """Spots, heatmaps and activations of a sample as plain arrays, to be kept in a shard."""
    arrays = {each.name: getattr(seen, each.name) for each in fields(Seen) if each.name != "spots"}
    spots = {f"spot_{each.name}": getattr(seen.spots, each.name) for each in fields(Spots) if each.name != "grid"}
    return {**arrays, **spots, "grid": np.array(seen.spots.grid)}


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Seen:
    """Spots, heatmaps and activations of a sample from the arrays that `to_arrays` made."""
    named = {each.name: arrays[f"spot_{each.name}"] for each in fields(Spots) if each.name != "grid"}
    spots = Spots(**named, grid=(int(arrays["grid"][0]), int(arrays["grid"][1])))
    return Seen(**{each.name: arrays[each.name] for each in fields(Seen) if each.name != "spots"}, spots=spots)


def _of_classes(spots: Indices, seen: Seen, classes: int) -> bool:
    """Whether a group can be tied to a class: not where those that are none of these leave no class a quarter of it."""
    predicted = seen.predicted[np.unique(seen.spots.image[spots])]
    most = np.bincount(predicted[predicted < classes], minlength=1).max()
    return bool((predicted < classes).all() or most >= LEAST_TIED * len(predicted))


def _merged(found: Sequence[Group], seen: Seen) -> list[tuple[Indices, list[str]]]:
    """Merge groups that different views found on the same spots: (spots, names of the views) of each."""
    merged: list[tuple[Indices, list[str]]] = []
    for group in found:
        for spots, views in merged:
            both = len(np.intersect1d(spots, group.spots))
            if group.view not in views[:1] and both >= SAME * min(len(spots), len(group.spots)):
                views.append(group.view)
                break
        else:
            merged.append((group.spots, [group.view]))
    return [(spots, list(dict.fromkeys(views))) for spots, views in merged]


def _cue(spots: Indices, views: list[str], seen: Seen, classes: int, codes: Indices | None) -> Cue:
    members = np.unique(seen.spots.image[spots])
    weights = [(int(seen.spots.image[spot]), seen.spots.window(int(spot))) for spot in spots]
    on_object = []
    for image, window in weights:
        heat = np.maximum(seen.maps[image][window], 0) * seen.allowed[image][window]
        on_object.append(float((heat * seen.objects[image][window]).sum() / max(float(heat.sum()), 1e-12)))
    return Cue(
        spots,
        views,
        associate(members, seen.labels, seen.predicted, classes, codes),
        p_tied=float("nan"),
        attention=float(seen.spots.share[spots].mean()),
        on_object=float(np.mean(on_object)),
        estimated=float((~seen.masked[members]).mean()),
    )
